package browser

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"golang.org/x/crypto/bcrypt"

	"github.com/ekaf-go/ekaf/ekaftest"
)

// TestDashboard is a person who watches: nothing yet, messages, an outage, its
// end; then somebody else who comes later.
func TestDashboard(t *testing.T) {
	browser := startChromium(t)
	c := ekaftest.Start(t, ekaftest.Topic("orders", 3), ekaftest.Topic("clicks", 2))
	p := serve(t, "-b", c.Addrs()[0])
	b := openTab(t, browser, p.url)
	b.says("status-title", "Ready for the first message")
	b.says("link", "live")
	b.shoot("1280-light-empty")
	b.accessible("before the first message")

	stop := p.traffic("orders", "clicks", "orders")
	b.says("status-title", "All is well")
	b.says("topics", "orders")
	b.until(`document.querySelectorAll("#topics .state[data-state=ready]").length >= 4`) // two topics, and workers
	b.says("brokers", c.Addrs()[0])
	b.says("brokers-count", "1 up, 0 down")
	b.until(`parseFloat(document.getElementById("rate-now").textContent) > 0`)
	b.until(`document.getElementById("latency-now").textContent.includes("s")`)
	b.until(`(document.querySelector("#plot-latency .line.one").getAttribute("d") ?? "").length > 30`)
	moved := b.text("total-acked")
	b.until(fmt.Sprintf(`document.getElementById("total-acked").textContent !== %q`, moved)) // and nobody has reloaded
	for _, kind := range []string{"time_to_connect", "worker_up", "flush", "flushed_replied"} {
		b.happened(kind)
	}
	b.looks(t, "traffic")
	b.clean()

	c.Stop()
	b.says("status-title", "Kafka cannot be reached")
	b.says("status-more", "in memory")
	b.says("topics-count", "2 downtime")
	b.says("brokers-count", "0 up, 1 down")
	b.until(`document.title.startsWith("Kafka cannot be reached")`)
	b.says("errors", "Start the broker, or correct its port")
	for _, kind := range []string{"worker_down", "worker_still_down", "downtime_saved"} {
		b.happened(kind)
	}
	b.says("recent", "ready → downtime")
	b.until(`(document.querySelector("#plot-rate .band").getAttribute("d") ?? "").length > 10`)
	b.looks(t, "outage")

	if err := c.Restart(); err != nil {
		t.Fatal(err)
	}
	b.says("status-title", "All is well")
	b.says("topics-count", "2 ready")
	b.says("brokers-count", "1 up, 0 down")
	for _, kind := range []string{"time_down", "downtime_replayed"} {
		b.happened(kind)
	}
	b.says("recent", "downtime → ready")
	b.clean()

	later := openTab(t, browser, p.url)
	later.until(`(document.querySelector("#plot-rate .band").getAttribute("d") ?? "").length > 10`) // what was before it came
	later.looks(t, "afterwards")
	later.clean()
	stop()

	// And the policy is in force: what is inline, or from elsewhere, does not run.
	for _, attempt := range []string{
		`document.head.append(Object.assign(document.createElement("style"), {textContent: "* {}"})) ?? true`,
		`fetch("http://127.0.0.1:9/").then(() => false, () => true)`,
	} {
		before := len(value[[]string](later, "violations"))
		value[bool](later, attempt)
		later.until(fmt.Sprintf("violations.length > %d", before))
	}
}

// happened waits until an event of the original's is among those seen.
func (b *tab) happened(kind string) {
	b.t.Helper()
	b.until(fmt.Sprintf(`[...document.querySelectorAll("#kinds tr")].some((row) =>
		row.querySelector("code").textContent === %q && row.cells[1].textContent !== "0" && row.querySelector(".carried").textContent !== "")`, kind))
}

// looks has the page be read by day and night, at a desk and on a phone.
func (b *tab) looks(t *testing.T, name string) {
	t.Helper()
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{1280, 375} {
			b.look(scheme, width)
			how := fmt.Sprintf("%d-%s-%s", width, scheme, name)
			b.accessible(how)
			overflow := value[[]string](b, `[...document.querySelectorAll("body *")].filter((n) => document.documentElement.scrollWidth > innerWidth
				&& n.getBoundingClientRect().right > innerWidth).map((n) => n.tagName + "#" + n.id + "." + n.className)`)
			if len(overflow) > 0 {
				t.Errorf("%s: the page scrolls sideways: %q", how, overflow)
			}
			b.shoot(how)
		}
	}
	b.look("light", 1280)
}

// TestTryIt sends by each route of the form, finds the message with a consumer,
// and does the same again with the curl line that the page gives.
func TestTryIt(t *testing.T) {
	browser := startChromium(t)
	if _, err := exec.LookPath("curl"); err != nil {
		t.Fatal("EKAF_BROWSER is set, and there is no curl")
	}
	c := ekaftest.Start(t, ekaftest.Topic("events", 1))
	p := serve(t, "-b", c.Addrs()[0])
	b := openTab(t, browser, p.url)
	b.says("link", "live")
	routes := value[[]string](b, `[...document.getElementById("try-route").options].map((o) => o.value)`)
	if len(routes) < 8 {
		t.Fatalf("only %q are offered", routes)
	}
	for i, route := range routes {
		key, text := "", fmt.Sprintf(`@it's "%s" & <b>%d</b> $HOME ü %%41`, route, i)
		if strings.HasPrefix(route, "raw:") {
			key = "a key & 'more' +"
		}
		b.fill(map[string]string{"try-topic": "events", "try-key": key, "try-value": text, "try-route": route})
		b.until(`!document.getElementById("try-send").disabled`)
		b.do(chromedp.Click(chromedp.CSS("#try-send")))
		b.until(`document.getElementById("try-status").textContent.startsWith("20")`)
		if answer := b.text("try-body"); !strings.HasPrefix(answer, "{") && !strings.HasPrefix(answer, "[") {
			t.Errorf("%s answered %s", route, answer)
		}
		found(t, c, "events", key, text, 1)
		out, err := exec.Command("sh", "-c", b.text("try-curl")).Output()
		if err != nil || !strings.HasPrefix(string(out), "HTTP/1.1 20") {
			t.Errorf("%s: curl says %q (%v)", route, out, err)
		}
		found(t, c, "events", key, text, 2)
		value[string](b, `document.getElementById("try-status").textContent = ""`)
	}
	b.clean()

	b.fill(map[string]string{"try-topic": "nothing", "try-route": "sync"})
	b.do(chromedp.Click(chromedp.CSS("#try-send")))
	b.says("try-status", "404")
	b.says("try-body", "the topic does not exist")
	b.accessible("with an answer")
	b.shoot("1280-light-refused")
}

// fill sets fields as typing does.
func (b *tab) fill(fields map[string]string) {
	b.t.Helper()
	for id, text := range fields {
		value[bool](b, fmt.Sprintf(`(() => {
			const field = document.getElementById(%q);
			field.value = %q;
			return field.dispatchEvent(new Event("input", {bubbles: true}));
		})()`, id, text))
	}
}

// TestBehindTheGuard: the browser sends the password that it was given also for the
// stream and for the form, and the page shows it nowhere.
func TestBehindTheGuard(t *testing.T) {
	browser := startChromium(t)
	c := ekaftest.Start(t, ekaftest.Topic("events", 1))
	const password = "wonder-secret"
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	users := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(users, []byte("ops:"+string(hash)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := serve(t, "-b", c.Addrs()[0], "--users", users)
	for _, path := range []string{"/", "/dashboard/app.js", "/dashboard/stream"} {
		answer, err := http.Get(p.url + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close() // the status is enough
		if answer.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s is answered with %d to anybody", path, answer.StatusCode)
		}
	}
	b := openTab(t, browser, strings.Replace(p.url, "://", "://ops:"+password+"@", 1))
	b.says("link", "live")
	b.fill(map[string]string{"try-topic": "events", "try-value": "guarded", "try-route": "raw:kafka"})
	b.do(chromedp.Click(chromedp.CSS("#try-send")))
	b.says("try-status", "200")
	found(t, c, "events", "", "guarded", 1)
	if shown := value[string](b, "document.documentElement.outerHTML"); strings.Contains(shown, password) {
		t.Error("the page shows the password")
	}
	b.clean()
}

// TestTheEndOfTheGateway: a page that is open holds up no shutdown, says that the
// gateway is gone, and goes on when it is back.
func TestTheEndOfTheGateway(t *testing.T) {
	browser := startChromium(t)
	c := ekaftest.Start(t, ekaftest.Topic("events", 1))
	p := serve(t, "-b", c.Addrs()[0], "--grace", "1h")
	b := openTab(t, browser, p.url)
	b.says("link", "live")
	p.end() // with exit code 0, and not after an hour
	b.says("link", "trying again")
	serve(t, "-b", c.Addrs()[0], "--listen", strings.TrimPrefix(p.url, "http://"))
	b.says("link", "live")
	b.says("status-title", "Ready for the first message")
}
