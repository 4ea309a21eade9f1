package dashboard

import (
	"net/http"
	"time"
)

const (
	// patience is how long a viewer may take to make room for a frame.
	patience = 10 * time.Second
	// beat is how often something is sent, so that what stands in between does
	// not take the connection for idle.
	beat = 15 * time.Second
)

// event frames a text without line breaks, as JSON is here, for an EventSource.
func event(name string, data []byte) []byte {
	out := make([]byte, 0, len(name)+len(data)+16)
	out = append(append(out, "event: "...), name...)
	out = append(append(out, "\ndata: "...), data...)
	return append(out, "\n\n"...)
}

func (b *Board) stream() http.Handler { return http.HandlerFunc(b.serveStream) }

// serveStream sends the whole, and then a frame at each tick. A viewer that was
// too slow for one gets the whole again: no more is kept for it than its place.
func (b *Board) serveStream(w http.ResponseWriter, r *http.Request) {
	// A page of another origin could not read it, but would take the viewers' places.
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		refuse(w, http.StatusForbidden, "pages of other origins may not watch")
		return
	}
	select {
	case <-b.gone:
		b.turnAway(w, "the gateway is shutting down")
		return
	default:
	}
	if !b.enter() {
		b.turnAway(w, "too many browsers watch the dashboard: close some, or try again later")
		return
	}
	defer b.leave()
	header := w.Header()
	protect(header)
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no") // nginx passes on what it gets
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return
	}
	v := viewer{w: w, rc: http.NewResponseController(w)}
	// The server's limit for reading a request goes on while it is answered, and
	// would end this one. An error: the writer knows no such limit.
	_ = v.rc.SetReadDeadline(time.Time{})
	if v.write([]byte("retry: 2000\n\n")) {
		b.follow(&v, r)
	}
}

func (b *Board) turnAway(w http.ResponseWriter, why string) {
	w.Header().Set("Retry-After", "5")
	refuse(w, http.StatusServiceUnavailable, why)
}

func (b *Board) enter() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open >= b.viewers {
		return false
	}
	b.open++
	return true
}

func (b *Board) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open--
}

// viewer is a browser that watches.
type viewer struct {
	w    http.ResponseWriter
	rc   *http.ResponseController
	seq  uint64 // of the tick that it was told of last
	told bool
}

// follow tells a viewer of each tick until it, or the board, goes.
func (b *Board) follow(v *viewer, r *http.Request) {
	idle := time.NewTimer(beat)
	defer idle.Stop()
	for {
		news, turn := b.next(v)
		if len(news) > 0 && !v.write(news) {
			return
		}
		idle.Reset(beat)
		select {
		case <-turn:
		case <-idle.C:
			if !v.write([]byte(": still here\n\n")) {
				return
			}
		case <-r.Context().Done():
			return
		case <-b.gone:
			v.write(event("bye", []byte("{}")))
			return
		}
	}
}

// next is what a viewer is to be told now, if anything, and what ends when there
// is more.
func (b *Board) next(v *viewer) (news []byte, turn <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.seq == 0 || v.told && v.seq == b.seq:
	case v.told && v.seq+1 == b.seq && b.frame != nil:
		news = b.frame
	default:
		news = b.renderWhole()
	}
	if news != nil {
		v.told, v.seq = true, b.seq
	}
	return news, b.turn
}

func (v *viewer) write(text []byte) bool {
	_ = v.rc.SetWriteDeadline(time.Now().Add(patience)) // an error: the writer knows no such limit
	if _, err := v.w.Write(text); err != nil {
		return false
	}
	return v.rc.Flush() == nil
}
