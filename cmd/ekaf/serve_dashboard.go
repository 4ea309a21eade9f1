package main

import (
	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/gateway"
	"github.com/ekaf-go/ekaf/gateway/dashboard"
)

// hear takes the producer's events: for the terminal, and for the dashboard.
func (p *plan) hear(w *watch) func(ekaf.Event) {
	if p.board == nil {
		return w.event
	}
	return func(e ekaf.Event) {
		w.event(e)
		p.board.Observe(e)
	}
}

// newBoard makes the dashboard; nil, if it is not wanted.
func (s *serve) newBoard() (*dashboard.Board, error) {
	if s.noDashboard {
		return nil, nil
	}
	return dashboard.New()
}

// boardOptions mount the dashboard.
func (p *plan) boardOptions() []gateway.Option {
	if p.board == nil {
		return nil
	}
	return p.board.Options()
}

// watch has the dashboard watch the producer until it is told to end.
func (p *plan) watch() (end func()) {
	if p.board == nil {
		return func() {}
	}
	p.board.Watch(p.producer)
	return p.board.Close
}
