package main

import (
	"strings"
	"testing"
)

func TestWeigh(t *testing.T) {
	for text, want := range map[string]verdict{
		"1 2 3":     {arrived: 3},
		"1 3":       {arrived: 2, lost: 1},
		"1 2 2 3":   {arrived: 3, duplicated: 1},
		"1 3 2":     {arrived: 3, disordered: 1},
		"":          {lost: 3},
		"1 2 3 odd": {arrived: 3, disordered: 1},
	} {
		if got := weigh(strings.Fields(text), 3); got != want {
			t.Errorf("%q: got %+v, want %+v", text, got, want)
		}
	}
}
