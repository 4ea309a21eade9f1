package ekafotel

import (
	"strings"

	"github.com/ekaf-go/ekaf"
)

// headers is a message as propagators see it: a propagation.TextMapCarrier.
// Names of headers are compared without regard to case, as W3C Trace Context asks.
type headers struct{ message *ekaf.Message }

// Get implements propagation.TextMapCarrier. Of several it takes the last, as
// consumers do that keep headers in a map.
func (h headers) Get(key string) string {
	list := h.message.Headers
	for i := len(list) - 1; i >= 0; i-- {
		if strings.EqualFold(list[i].Key, key) {
			return string(list[i].Value)
		}
	}
	return ""
}

// Set implements propagation.TextMapCarrier. The message's list may be shared with
// the caller's: it is copied, never changed.
func (h headers) Set(key, value string) {
	kept := make([]ekaf.Header, 0, len(h.message.Headers)+2)
	for _, one := range h.message.Headers {
		if !strings.EqualFold(one.Key, key) {
			kept = append(kept, one)
		}
	}
	h.message.Headers = append(kept, ekaf.Header{Key: key, Value: []byte(value)})
}

// Keys implements propagation.TextMapCarrier.
func (h headers) Keys() []string {
	keys := make([]string, len(h.message.Headers))
	for i, one := range h.message.Headers {
		keys[i] = one.Key
	}
	return keys
}
