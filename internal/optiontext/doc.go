// Package optiontext makes options of a producer from text, as configuration
// files hold them. It owns their names there, linger for Linger and
// partition-buffer-bytes for PartitionBufferBytes, and how their values are
// written: 20ms, 64MiB, drop-oldest.
//
//	"linger", "20ms" ─► Parse ─► ekaf.Linger(20 * time.Millisecond)
//	                      │
//	                      └────► an error that says how the value is written
//
// It reads what one value says. Whether options agree with each other is checked
// by ekaf.New.
package optiontext
