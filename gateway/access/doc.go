// Package access decides who may use a gateway, and for what: a gateway.Guard
// made of files, rules and a JSON Web Key Set.
//
//	request ─► who is it? ───────────────────────────► may they? ─────────► gateway
//	           Authorization: Bearer  token file, JWT   rate of the principal
//	           Authorization: Basic   htpasswd, bcrypt  topics of the principal
//	           client certificate     verified by TLS      │         │
//	           nothing at all         "anonymous"          ▼         ▼
//	               │                                      429       403
//	               ▼                                  Retry-After
//	         401, or 503 while keys or turns are missing
//
// It owns the credentials' files, the rules and the limits of principals. No
// credential is kept: tokens are kept as SHA-256 digests, passwords as bcrypt
// left them, and what was verified a moment ago under a key that only this
// process knows. Nor does any enter an error or an answer.
//
// # Concurrency
//
// A Keeper may be asked by any number of goroutines, also while it is replaced.
// It starts a goroutine only to renew a key set that is still good for use, and
// that one ends within ten seconds.
package access
