// Package httpload asks an HTTP server the same few requests over and over, at
// as little cost as it can: it shares a small machine with the server that it
// measures. Requests are bytes made beforehand, connections are kept alive, of
// an answer only status and length are looked at.
//
//	Request ──► Crowd.Ask ──► Conn ──► server
//	                │ one goroutine for each connection, closed loop
//	                ▼
//	             Tally: 2xx, their messages, refusals, when
//
// It has also the server to compare with: Bare reads bodies and says yes.
package httpload
