package listen

import (
	"fmt"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Notify tells systemd of the program's state (sd_notify(3)); without systemd it
// does nothing.
type Notify struct {
	say func(state string) error
}

// NewNotify takes NOTIFY_SOCKET from the environment.
func NewNotify() *Notify {
	return &Notify{func(state string) error {
		_, err := daemon.SdNotify(false, state)
		return err
	}}
}

// Ready: requests are served.
func (n *Notify) Ready() error { return n.say(daemon.SdNotifyReady) }

// Reloading begins a reload, which Ready ends. systemd needs the time by its own
// clock for units of Type=notify-reload.
func (n *Notify) Reloading() error {
	now, err := monotonic()
	if err != nil {
		return fmt.Errorf("cannot tell the time of the reload: %w", err)
	}
	return n.say(fmt.Sprintf("%s\nMONOTONIC_USEC=%d", daemon.SdNotifyReloading, now/time.Microsecond))
}

// Stopping: the end has begun, and may take this long.
func (n *Notify) Stopping(within time.Duration) error {
	return n.say(fmt.Sprintf("%s\nEXTEND_TIMEOUT_USEC=%d", daemon.SdNotifyStopping, within/time.Microsecond))
}

// Watchdog tells systemd that the program is alive, as often as its WatchdogSec
// wants it, until done is closed.
func (n *Notify) Watchdog(done <-chan struct{}) error {
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil || every <= 0 {
		return err
	}
	ticks := time.NewTicker(every / 2)
	defer ticks.Stop()
	for {
		select {
		case <-ticks.C:
			if err := n.say(daemon.SdNotifyWatchdog); err != nil {
				return err
			}
		case <-done:
			return nil
		}
	}
}
