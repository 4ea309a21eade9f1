package dashboard

import (
	"errors"
	"sync"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/gateway"
)

const (
	// interval is the time between two samples.
	interval = time.Second
	// span is how far back the plots go.
	span = 15 * time.Minute
	// maxPause bounds the time between samples of a producer so large that its
	// snapshots take long.
	maxPause = 10 * time.Second
	// share is the part of the time that snapshots may take, as a divisor.
	share = 20
)

// Board keeps what the page shows. Make one with New.
type Board struct {
	viewers int // at once
	assets  map[string]*asset
	ledger  *ledger

	stop     chan struct{} // closed by Close
	gone     chan struct{} // closed by Drain
	stopOnce sync.Once
	goneOnce sync.Once
	sampling sync.WaitGroup

	mu      sync.Mutex // guards the following
	watched bool
	history *history
	before  snapshot // that of the tick before, for rates
	latest  snapshot
	sent    uint64 // the ledger's version in the latest frame
	seq     uint64 // of the latest tick
	frame   []byte // of the latest tick; nil if nobody watched
	turn    chan struct{}
	open    int // viewers
}

// snapshot is what the producer said at a tick.
type snapshot struct {
	at    time.Time
	stats ekaf.Stats
}

// Option sets one thing of a Board.
type Option func(*Board)

// Viewers bounds the browsers that watch at once; one more is answered with 503.
// Default 32.
func Viewers(n int) Option { return func(b *Board) { b.viewers = n } }

// New makes a board. It shows something once its Observe hears of the producer's
// events and Watch was called:
//
//	board, err := dashboard.New()
//	producer, err := ekaf.New(ekaf.OnEvent(board.Observe), ...)
//	handler, err := gateway.New(producer, board.Options()...)
//	board.Watch(producer)
//	defer board.Close()
func New(options ...Option) (*Board, error) {
	b := &Board{
		viewers: 32, ledger: newLedger(), assets: loadAssets(),
		history: newHistory(int(span / interval)),
		stop:    make(chan struct{}), gone: make(chan struct{}), turn: make(chan struct{}),
	}
	for _, o := range options {
		o(b)
	}
	if b.viewers < 1 {
		return nil, errors.New("the dashboard's options have faults: Viewers: needs 1 or more")
	}
	return b, nil
}

// Observe takes an event of the producer; it is to be given to ekaf.OnEvent. It
// waits for nothing, and keeps of each kind a number and the last one.
func (b *Board) Observe(e ekaf.Event) { b.ledger.observe(&e) }

// Watch begins to take samples of a producer, one a second, until Close. A board
// watches one producer: later calls do nothing.
func (b *Board) Watch(producer *ekaf.Producer) { b.watch(producer) }

// source is what samples are taken of.
type source interface{ Stats() ekaf.Stats }

func (b *Board) watch(from source) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.watched {
		return
	}
	b.watched = true
	b.sampling.Go(func() { b.sample(from) })
}

// sample takes one sample after another. A producer of very many partitions is
// asked less often, so that the page costs it no more than a twentieth of its time.
func (b *Board) sample(from source) {
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-b.stop:
			return
		case <-next.C:
		}
		began := time.Now()
		b.take(began, from.Stats())
		next.Reset(min(max(interval, share*time.Since(began)), maxPause))
	}
}

// take keeps a snapshot, and tells the viewers.
func (b *Board) take(at time.Time, stats ekaf.Stats) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.before, b.latest = b.latest, snapshot{at, stats}
	b.history.add(at, &stats)
	b.seq++
	b.frame = nil
	if b.open > 0 {
		b.frame = b.renderFrame()
	}
	close(b.turn)
	b.turn = make(chan struct{})
}

// Drain ends the streams of all viewers, and lets no others in, so that the
// server's Shutdown need not wait for them. Options has the gateway call it.
func (b *Board) Drain() { b.goneOnce.Do(func() { close(b.gone) }) }

// Close is Drain, and the end of the samples; it returns when the last was taken.
func (b *Board) Close() {
	b.Drain()
	b.mu.Lock()
	b.watched = true // a Watch that comes later begins nothing
	b.mu.Unlock()
	b.stopOnce.Do(func() { close(b.stop) })
	b.sampling.Wait()
}

// Options mount the board into a gateway: the page at /, its files and its stream
// under /dashboard/.
func (b *Board) Options() []gateway.Option {
	return []gateway.Option{
		gateway.Mount("/", "The dashboard, a page for browsers", b.page()),
		gateway.Mount("/dashboard/stream", "What the dashboard shows, as server-sent events (503: too many watch)", b.stream()),
		gateway.Mount("/dashboard/{file}", "The dashboard's scripts and style", b.files()),
		gateway.OnDrain(b.Drain),
	}
}
