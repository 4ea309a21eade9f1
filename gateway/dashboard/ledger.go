package dashboard

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/ekaf-go/ekaf"
)

// Bounds of the ledger.
const (
	maxRecent    = 100
	maxFaults    = 20
	maxAddresses = 1000
	maxText      = 400              // of an error, bytes
	oneOutage    = 30 * time.Second // within which what comes again is told in one line
)

// ledger keeps of the events what the page shows: of each kind a number and the
// last one, the last ones of all kinds but those of every batch, and the errors
// that they carried.
type ledger struct {
	mu      sync.Mutex // guards the following
	version uint64     // counts events
	kinds   []kindEntry
	recent  []recentEntry // a ring, of maxRecent
	next    int
	faults  []faultEntry // the latest last
	addrs   map[int32]string
}

type kindEntry struct {
	count int64
	last  ekaf.Event
}

// recentEntry is an event, or several of the same.
type recentEntry struct {
	event ekaf.Event // the last of them
	times int64      // 0: nothing is here yet
}

type faultEntry struct {
	text        string
	err         error
	first, last ekaf.Event
	times       int64
}

func newLedger() *ledger {
	return &ledger{
		kinds: make([]kindEntry, len(ekaf.EventKinds())+1), recent: make([]recentEntry, maxRecent),
		faults: make([]faultEntry, 0, maxFaults), addrs: map[int32]string{},
	}
}

// busy are the kinds that every batch or call brings: they are counted, and not
// listed one by one.
var busy = map[ekaf.EventKind]bool{ekaf.EventFlush: true, ekaf.EventFlushedReplied: true}

// repeating are the kinds that come again and again while something lasts, of
// several topics and workers in turn. All others have a line for each: they tell
// what happened in which order.
var repeating = map[ekaf.EventKind]bool{
	ekaf.EventWorkerStillDown: true, ekaf.EventDowntimeSaved: true, ekaf.EventMaxDowntimeBufferReached: true, ekaf.EventConnectionState: true,
	ekaf.EventMetadataFailed: true, ekaf.EventRetry: true, ekaf.EventDropped: true, ekaf.EventThrottled: true,
}

func (l *ledger) observe(e *ekaf.Event) {
	text := ""
	if e.Err != nil {
		text = cut(e.Err.Error())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.version++
	if int(e.Kind) < len(l.kinds) {
		l.kinds[e.Kind].count++
		l.kinds[e.Kind].last = *e
	}
	if e.Broker >= 0 && e.Addr != "" && l.addrs[e.Broker] != e.Addr && len(l.addrs) < maxAddresses {
		l.addrs[e.Broker] = e.Addr
	}
	if e.Err != nil {
		l.fail(e, text)
	}
	if busy[e.Kind] {
		return
	}
	if repeating[e.Kind] && l.again(e) {
		return
	}
	l.recent[l.next] = recentEntry{*e, 1}
	l.next = (l.next + 1) % maxRecent
}

// again counts an event where the same was told of late. Under the lock.
func (l *ledger) again(e *ekaf.Event) bool {
	for back := range maxRecent {
		entry := &l.recent[(l.next-1-back+2*maxRecent)%maxRecent]
		if entry.times == 0 {
			return false
		}
		if alike(&entry.event, e) && e.Time.Sub(entry.event.Time) < oneOutage {
			entry.event = *e
			entry.times++
			return true
		}
	}
	return false
}

// alike: the same happens again.
func alike(a, b *ekaf.Event) bool {
	return a.Kind == b.Kind && a.Topic == b.Topic && a.Partition == b.Partition && a.Worker == b.Worker &&
		a.Broker == b.Broker && a.From == b.From && a.To == b.To
}

// fail notes an error, by its text. The one that has not come for longest makes
// room. Under the lock.
func (l *ledger) fail(e *ekaf.Event, text string) {
	entry := faultEntry{text: text, first: *e}
	if i := slices.IndexFunc(l.faults, func(f faultEntry) bool { return f.text == text }); i >= 0 {
		entry = l.faults[i]
		l.faults = slices.Delete(l.faults, i, i+1)
	} else if len(l.faults) == maxFaults {
		l.faults = slices.Delete(l.faults, 0, 1)
	}
	entry.err, entry.last = e.Err, *e
	entry.times++
	l.faults = append(l.faults, entry)
}

// current is the number of events so far.
func (l *ledger) current() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.version
}

// addresses of brokers, by id, as events told them.
func (l *ledger) addresses() map[int32]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.addrs)
}

// kind is what is known of a kind of events.
type kind struct {
	Name     string     `json:"name"`
	About    string     `json:"about"`
	Original bool       `json:"original"` // one of the original ekaf's ten
	Count    int64      `json:"count"`
	Last     *happening `json:"last"`
}

// happening is an event.
type happening struct {
	At        int64   `json:"at"`
	Kind      string  `json:"kind"`
	Times     int64   `json:"times,omitempty"`
	Topic     string  `json:"topic,omitempty"`
	Partition int32   `json:"partition"` // -1: none, and no worker
	Worker    int     `json:"worker"`
	Broker    int32   `json:"broker"` // -1: none
	Addr      string  `json:"addr,omitempty"`
	Messages  int     `json:"messages,omitempty"`
	Bytes     int     `json:"bytes,omitempty"`
	Took      float64 `json:"took,omitempty"` // milliseconds
	From      string  `json:"from,omitempty"`
	To        string  `json:"to,omitempty"`
	Error     string  `json:"error,omitempty"`
}

// fault is an error, how often it came, and what to do about it.
type fault struct {
	Text   string `json:"text"`
	Advice string `json:"advice"`
	Kind   string `json:"kind"` // of the event that brought it last
	Topic  string `json:"topic,omitempty"`
	First  int64  `json:"first"`
	Last   int64  `json:"last"`
	Times  int64  `json:"times"`
}

// view tells all, the latest first, and the version that it is of.
func (l *ledger) view() (kinds []kind, recent []happening, faults []fault, version uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range ekaf.EventKinds() {
		entry := &l.kinds[k]
		v := kind{Name: k.String(), About: meanings[k], Original: k <= ekaf.EventMaxDowntimeBufferReached, Count: entry.count}
		if entry.count > 0 {
			v.Last = happened(&entry.last, 0)
		} else if !v.Original {
			continue
		}
		kinds = append(kinds, v)
	}
	for i := range maxRecent {
		if entry := &l.recent[(l.next-1-i+2*maxRecent)%maxRecent]; entry.times > 0 {
			recent = append(recent, *happened(&entry.event, entry.times))
		}
	}
	slices.SortStableFunc(recent, func(a, b happening) int { return cmp.Compare(b.At, a.At) })
	for _, f := range slices.Backward(l.faults) {
		faults = append(faults, fault{
			Text: f.text, Advice: adviceFor(f.err), Kind: f.last.Kind.String(), Topic: f.last.Topic,
			First: f.first.Time.UnixMilli(), Last: f.last.Time.UnixMilli(), Times: f.times,
		})
	}
	return kinds, recent, faults, l.version
}

func happened(e *ekaf.Event, times int64) *happening {
	v := &happening{
		At: e.Time.UnixMilli(), Kind: e.Kind.String(), Times: times, Topic: e.Topic, Partition: e.Partition, Worker: e.Worker, Broker: e.Broker,
		Addr: e.Addr, Messages: e.Messages, Bytes: e.Bytes, Took: float64(e.Took) / float64(time.Millisecond), From: e.From, To: e.To,
	}
	if e.Err != nil {
		v.Error = cut(e.Err.Error())
	}
	return v
}

// cut bounds a text from outside, and has it be valid UTF-8.
func cut(text string) string {
	if len(text) <= maxText {
		return text
	}
	end := maxText
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + " …"
}
