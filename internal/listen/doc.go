// Package listen makes the listener of a server that faces people it does not
// know. It owns how many connections there are, how long one may take to be
// read, TLS with certificates that are renewed, and the words with systemd.
//
//	systemd's socket ─┐
//	address ──────────┴─► bounded ─► patient ─► TLS ─► http.Server
//	                      number     writes     certificate and client
//	                                            authorities, replaced while it runs
package listen
