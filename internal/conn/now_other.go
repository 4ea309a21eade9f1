//go:build !unix

package conn

import "net"

// promptWriter gives a stream that can be written to without waiting, nil if this one cannot: a socket in overlapped
// mode, as Windows has them, would wait.
func promptWriter(nc net.Conn) PromptWriter {
	p, _ := nc.(PromptWriter)
	return p
}
