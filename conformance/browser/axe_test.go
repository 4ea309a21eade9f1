package browser

import (
	"fmt"
	"os"
	"strings"
)

// finding is a rule of axe-core that the page breaks.
type finding struct {
	ID, Impact, Help string
	Nodes            []string
}

const runAxe = `axe.run(document, {resultTypes: ["violations"]}).then((found) => found.violations.map((v) => ({
	id: v.id, impact: v.impact, help: v.help, nodes: v.nodes.slice(0, 5).map((n) => n.html.slice(0, 200) + " | " + (n.any[0]?.message ?? "")),
})))`

// accessible has axe-core look at the page as it is.
func (b *tab) accessible(how string) {
	b.t.Helper()
	script, err := os.ReadFile(os.Getenv("EKAF_AXE"))
	if err != nil {
		b.t.Fatalf("cannot read axe-core, EKAF_AXE is to name its axe.min.js: %v", err)
	}
	loaded := value[string](b, string(script)+";axe.version")
	for _, f := range value[[]finding](b, runAxe) {
		text := fmt.Sprintf("%s: axe-core %s: %s (%s): %s\n  %s", how, loaded, f.ID, f.Impact, f.Help, strings.Join(f.Nodes, "\n  "))
		if f.Impact == "serious" || f.Impact == "critical" {
			b.t.Error(text)
		} else {
			b.t.Log(text)
		}
	}
}
