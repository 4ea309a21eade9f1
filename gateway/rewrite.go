package gateway

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"

	"github.com/ekaf-go/ekaf"
)

// parcel is what a hook has chosen one topic for.
type parcel struct {
	topic   string
	index   []int     // the place of each message among the request's
	part    *exchange // has the messages; only where there are several parcels
	refused *StatusError
	panic   any
}

// deliverRewritten puts each message to the hook, and hands over what is left:
// one call for each topic, in the order of the messages.
func (x *exchange) deliverRewritten(ctx context.Context, topic string, m manner) *StatusError {
	var parcels []*parcel
	for i := range x.msgs {
		e := Event{Request: x.r, Topic: topic, Message: x.msgs[i]}
		if err := x.h.settings.rewrite(&e); err != nil {
			x.fail(i, rejected(err))
			continue
		}
		e.Message.Callback = nil
		x.msgs[i] = e.Message
		k := slices.IndexFunc(parcels, func(p *parcel) bool { return p.topic == e.Topic })
		if k < 0 {
			k = len(parcels)
			parcels = append(parcels, &parcel{topic: e.Topic})
		}
		parcels[k].index = append(parcels[k].index, i)
	}
	if len(parcels) == 1 && len(parcels[0].index) == len(x.msgs) {
		return x.hand(ctx, parcels[0].topic, m)
	}
	for _, p := range parcels {
		p.part = &exchange{h: x.h, r: x.r}
		for _, i := range p.index {
			p.part.msgs = append(p.part.msgs, x.msgs[i])
		}
	}
	if m.waits() {
		handTogether(ctx, parcels, m)
	} else {
		for _, p := range parcels {
			p.refused = p.part.hand(ctx, p.topic, m)
		}
	}
	for _, p := range parcels {
		x.gather(p)
	}
	slices.SortFunc(x.delivery.failed, func(a, b failure) int { return a.index - b.index })
	return nil
}

// maxTogether bounds the parcels of one request that wait for Kafka at once.
const maxTogether = 64

// handTogether hands parcels over that wait for Kafka: a topic that cannot be
// reached is not to use up the time of the others.
func handTogether(ctx context.Context, parcels []*parcel, m manner) {
	var handing sync.WaitGroup
	turns := make(chan struct{}, maxTogether)
	for _, p := range parcels {
		turns <- struct{}{}
		handing.Go(func() {
			defer func() {
				p.panic = recover() // of what Through wraps; it is for the request's goroutine
				<-turns
			}()
			p.refused = p.part.hand(ctx, p.topic, m)
		})
	}
	handing.Wait()
	for _, p := range parcels {
		if p.panic != nil {
			panic(p.panic)
		}
	}
}

// gather notes what became of a parcel's messages in their places.
func (x *exchange) gather(p *parcel) {
	d := &p.part.delivery
	if p.refused != nil {
		for _, i := range p.index {
			x.fail(i, p.refused)
		}
		return
	}
	for _, f := range d.failed {
		x.fail(p.index[f.index], f.err)
	}
	if d.acked.Len() > 0 {
		if x.delivery.spread == nil {
			x.delivery.spread = make([]ekaf.Ack, len(x.msgs))
		}
		for k, ack := range d.acked.All() {
			x.delivery.spread[p.index[k]] = ack
		}
	}
	x.took(d.receipt)
	x.delivery.more = append(x.delivery.more, d.more...)
}

// rejected is a hook's error as it is answered.
func rejected(err error) error {
	if _, own := errors.AsType[*StatusError](err); own {
		return err
	}
	return &StatusError{Status: http.StatusUnprocessableEntity, Message: err.Error(), failed: true}
}
