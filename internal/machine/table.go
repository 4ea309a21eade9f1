package machine

import "fmt"

// Table is what a machine may do: its states, from 0 on, their names, and the
// moves that are legal. It holds at most 16 states, and does not change.
type Table[S ~uint8] struct {
	kind string
	rows []Row[S]
}

// Row is one state: its name, and where it may go.
type Row[S ~uint8] struct {
	name string
	to   uint16 // a bit for each state
}

// At is the row of a state: its name, and the states that may come next.
func At[S ~uint8](name string, next ...S) Row[S] {
	r := Row[S]{name: name}
	for _, s := range next {
		r.to |= 1 << s
	}
	return r
}

// NewTable makes the table of the machine whose states are of a type called kind.
func NewTable[S ~uint8](kind string, rows []Row[S]) *Table[S] {
	return &Table[S]{kind: kind, rows: rows}
}

// Name is a state's name.
func (t *Table[S]) Name(s S) string {
	if int(s) < len(t.rows) {
		return t.rows[s].name
	}
	return fmt.Sprintf("%s(%d)", t.kind, uint8(s))
}

// States are all states, in their order.
func (t *Table[S]) States() []S {
	all := make([]S, len(t.rows))
	for i := range all {
		all[i] = S(i)
	}
	return all
}

// CanMove reports whether a machine may go from one state to another.
func (t *Table[S]) CanMove(from, to S) bool {
	return int(from) < len(t.rows) && t.rows[from].to&(1<<to) != 0
}
