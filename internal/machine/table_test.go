package machine

import (
	"slices"
	"testing"
)

type lamp uint8

const (
	off lamp = iota
	on
	broken
)

var lamps = NewTable("lamp", []Row[lamp]{
	off:    At("off", on, broken),
	on:     At("on", off, broken),
	broken: At[lamp]("broken"),
})

func TestTable(t *testing.T) {
	if all := lamps.States(); !slices.Equal(all, []lamp{off, on, broken}) {
		t.Errorf("states are %v", all)
	}
	var legal []string
	for from := range lamp(20) {
		for to := range lamp(20) {
			if lamps.CanMove(from, to) {
				legal = append(legal, lamps.Name(from)+"-"+lamps.Name(to))
			}
		}
	}
	if want := []string{"off-on", "off-broken", "on-off", "on-broken"}; !slices.Equal(legal, want) {
		t.Errorf("legal are %v", legal)
	}
	if name := lamps.Name(7); name != "lamp(7)" {
		t.Errorf("a state that is none is called %q", name)
	}
}
