// Package payload takes bodies apart: it owns the ways from the bytes of a
// request to those of its messages. It knows nothing of HTTP or of Kafka.
//
//	a=1&b=2          ── FormObject ──► {"a":"1","b":"2"}
//	one\ntwo\n       ── Lines ───────► one, two      with their numbers
//	[{"a":1}, "two"] ── Elements ────► {"a":1}, "two"
//
// Lines and elements are parts of the body itself, byte for byte; nothing is
// copied. What is malformed is a *SyntaxError, which says where.
package payload
