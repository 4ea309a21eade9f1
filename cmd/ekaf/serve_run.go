package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ekaf-go/ekaf/internal/listen"
	"github.com/ekaf-go/ekaf/internal/profiles"
)

func (s *serve) run(cmd *cobra.Command, _ []string) error {
	screen, g := newConsole(cmd.ErrOrStderr()), givenIn(cmd.Flags())
	p, err := s.plan(cmd, g, screen)
	if err != nil {
		return err
	}
	listener, activated, err := listen.Open(s.listen, listen.Limits{Connections: s.limits.connections, Write: s.limits.writeTime})
	if err != nil {
		closeNow(p.producer)
		return misused("cannot listen on %s: %w", s.listen, err)
	}
	stopProfiles, err := s.serveProfiles(screen)
	if err != nil {
		listener.Close()
		closeNow(p.producer)
		return err
	}
	defer stopProfiles()
	if s.inTheClear(listener) {
		screen.say("note: credentials come in the clear: serve TLS (--tls-certificate), or have something in front that does")
	}
	defer p.watch()()
	d := &door{
		server: newServer(p.handler, s.limits, s.syncTimeout, screen), producer: p.producer, drain: p.handler.Drain,
		delay: s.drainDelay, grace: s.grace, screen: screen, notify: listen.NewNotify(),
	}
	scheme := "http"
	if p.secure != nil {
		scheme, d.server.TLSConfig = "https", p.secure.Config()
	}
	ctx, stop := context.WithCancel(cmd.Context())
	defer stop()
	r := &reloader{serve: s, flags: cmd.Flags(), given: g, plan: p, door: d}
	r.begin(ctx)
	screen.say("listening on %s://%s%s", scheme, listener.Addr(), map[bool]string{true: " (systemd's socket)"}[activated])
	if s.listening != nil {
		s.listening(reachable(scheme, listener.Addr()))
	}
	d.tell(d.notify.Ready())
	go func() { d.tell(d.notify.Watchdog(ctx.Done())) }()
	return d.serve(cmd.Context(), listener)
}

// serveProfiles serves what Go's runtime knows of this process, where the
// command line asks for it, until it is told to stop.
func (s *serve) serveProfiles(screen *console) (stop func(), err error) {
	if s.debugListen == "" {
		return func() {}, nil
	}
	l, err := profiles.Listen(s.debugListen)
	if err != nil {
		return nil, misused("cannot listen on %s: %w", s.debugListen, err)
	}
	go profiles.Serve(l)
	screen.say("figures and profiles on http://%s/debug/", l.Addr())
	return func() { l.Close() }, nil
}

// reloader reads again, at SIGHUP, what may change while requests are served.
type reloader struct {
	*serve
	flags *pflag.FlagSet
	given given
	plan  *plan
	door  *door
}

// begin has SIGHUP reload, from now on until ctx ends. It no longer ends the
// program, which the terminal sends it to when it is closed.
func (r *reloader) begin(ctx context.Context) {
	hangUp := make(chan os.Signal, 1)
	signal.Notify(hangUp, syscall.SIGHUP)
	go func() {
		defer signal.Stop(hangUp)
		for {
			select {
			case <-hangUp:
				r.door.tell(r.door.notify.Reloading())
				r.reload()
				r.door.tell(r.door.notify.Ready())
			case <-ctx.Done():
				return
			}
		}
	}()
}

// reload takes all that may change, or, if there are faults, nothing. A file that
// the program would not begin with is a fault as a whole, also where it is wrong
// in what needs a restart: it may be half written.
func (r *reloader) reload() {
	fresh, cmd := newServeCommand()
	flags, screen := cmd.Flags(), r.door.screen
	var faults []error
	for name, values := range r.given {
		faults = append(faults, flat(setFlag(flags, name, values))...)
	}
	cmd.SetErr(io.Discard) // its notes were said at the start
	next, err := fresh.plan(cmd, r.given, newConsole(io.Discard))
	faults = append(faults, flat(err)...)
	if next != nil {
		closeNow(next.producer)
		faults = append(faults, r.replace(fresh, next)...)
	}
	if len(faults) > 0 {
		screen.say("not reloaded, all stays as it was:")
		for _, fault := range faults {
			screen.say("  %v", fault)
		}
		return
	}
	changed := r.changed(flags)
	if !next.file.SameProducer(r.plan.file) {
		changed = append(changed, "properties, producer or topics")
	}
	if (r.plan.secure == nil) != (next.secure == nil) {
		changed = append(changed, "whether there is TLS")
	}
	text := "reloaded: credentials, principals and certificates"
	if len(changed) > 0 {
		text += fmt.Sprintf("; needs a restart: %s", strings.Join(changed, ", "))
	}
	screen.say("%s", text)
}

// replace puts the next plan's guard and certificates in the place of the present
// ones. A guard is never taken away, nor the rules that go with it: a file that no
// longer names them is more likely cut short than meant to let everybody in.
func (r *reloader) replace(fresh *serve, next *plan) (faults []error) {
	switch {
	case (r.plan.keeper == nil) != (next.keeper == nil):
		return []error{errors.New("whether anybody is kept out (tokens, users, jwt-keys, client-principal, principals) changes at a restart only")}
	case (r.plan.file.Rules == nil) != (next.file.Rules == nil):
		return []error{errors.New("whether there are principals changes at a restart only: without that section, who is known may do everything")}
	}
	if r.plan.keeper != nil {
		faults = flat(r.plan.keeper.Replace(fresh.keepOut(next.file)))
	}
	if len(faults) == 0 && r.plan.secure != nil && next.secure != nil {
		faults = flat(r.plan.secure.Replace(fresh.tls))
	}
	return faults
}

// changed lists the flags that the file now gives other values, and that a
// restart alone would take.
func (r *reloader) changed(now *pflag.FlagSet) (names []string) {
	now.VisitAll(func(f *pflag.Flag) {
		before := r.flags.Lookup(f.Name)
		if f.Name == "config" || slices.Contains(reloadable, f.Name) || before == nil || f.Value.String() == before.Value.String() {
			return
		}
		names = append(names, f.Name)
	})
	return names
}
