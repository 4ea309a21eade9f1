package gateway

import (
	"errors"
	"net/http"
	"slices"
	"time"
)

// deliverRewritten puts each message to the hook, and hands over what is left:
// one call for each topic, in the order of the messages.
func (x *exchange) deliverRewritten(topic string, m manner, timeout time.Duration) *StatusError {
	type parcel struct {
		topic string
		index []int
	}
	var parcels []parcel
	for i := range x.msgs {
		e := Event{Request: x.r, Topic: topic, Message: x.msgs[i]}
		if err := x.h.settings.rewrite(&e); err != nil {
			x.fail(i, nil, rejected(err))
			continue
		}
		e.Message.Callback = nil
		x.msgs[i] = e.Message
		k := slices.IndexFunc(parcels, func(p parcel) bool { return p.topic == e.Topic })
		if k < 0 {
			k = len(parcels)
			parcels = append(parcels, parcel{topic: e.Topic})
		}
		parcels[k].index = append(parcels[k].index, i)
	}
	if len(parcels) == 1 && len(parcels[0].index) == len(x.msgs) {
		return x.hand(parcels[0].topic, m, timeout, x.msgs, nil)
	}
	for _, p := range parcels {
		msgs := slices.Clone(x.msgs[:0])
		for _, i := range p.index {
			msgs = append(msgs, x.msgs[i])
		}
		if f := x.hand(p.topic, m, timeout, msgs, p.index); f != nil {
			return f
		}
	}
	slices.SortFunc(x.delivery.failed, func(a, b failure) int { return a.index - b.index })
	return nil
}

// rejected is a hook's error as it is answered.
func rejected(err error) error {
	if _, own := errors.AsType[*StatusError](err); own {
		return err
	}
	return &StatusError{Status: http.StatusUnprocessableEntity, Message: err.Error(), failed: true}
}
