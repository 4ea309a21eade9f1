package gateway

import (
	"encoding/base64"
	"net/http"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/internal/payload"
)

// beaconRoutes take what pages send without waiting for an answer:
// navigator.sendBeacon and images of one pixel.
func beaconRoutes() []*route {
	return []*route{
		{
			method: http.MethodPost, path: "/v1/beacon/{topic}", guarded: true, cors: true, simple: true, keyed: true,
			serve: (*exchange).serveBeacon,
			doc: doc{
				tag: "beacon", summary: "Produce what navigator.sendBeacon sends", body: "any single message; a form becomes one JSON object",
				answers: map[int]string{204: "the producer accepted it"},
			},
		},
		{
			method: http.MethodGet, path: "/v1/beacon/{topic}", guarded: true, cors: true, simple: true, keyed: true, noHead: true,
			serve: (*exchange).servePixel,
			doc: doc{
				tag: "beacon", summary: "Produce the query's parameters as one JSON object, and answer with an image of one pixel",
				answers: map[int]string{200: "a transparent GIF: the producer accepted it", 422: "the query is malformed or empty"},
			},
		},
	}
}

func (x *exchange) serveBeacon() {
	f := x.readBody()
	if f == nil && len(x.body) == 0 {
		f = refusal(http.StatusUnprocessableEntity, "the body is empty")
	}
	if f == nil {
		f = x.kafboyMessages(false)
	}
	if f == nil {
		f = x.deliver(x.params[0], asyncBatched, 0)
	}
	switch {
	case f != nil:
		x.refuse(f)
	case len(x.delivery.failed) > 0:
		x.refuseSome(false)
	default:
		x.status = http.StatusNoContent
		x.w.WriteHeader(x.status)
	}
}

// pixel is a transparent GIF of one pixel.
var pixel = func() []byte {
	image, err := base64.StdEncoding.DecodeString("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
	if err != nil {
		panic(err)
	}
	return image
}()

func (x *exchange) servePixel() {
	query := []byte(x.r.URL.RawQuery)
	object, err := payload.FormObject(x.packed[:0], query)
	x.packed = object
	var f *StatusError
	switch {
	case err != nil:
		f = malformed(err)
	case string(object) == "{}":
		f = refusal(http.StatusUnprocessableEntity, "the query has no parameter to make a message of")
	default:
		x.msgs = append(x.msgs[:0], ekaf.Message{Value: object})
		f = x.deliver(x.params[0], asyncBatched, 0)
	}
	switch {
	case f != nil:
		x.refuse(f)
	case len(x.delivery.failed) > 0:
		x.refuseSome(false)
	default:
		x.imageHeader()
		x.out = append(x.out[:0], pixel...)
		x.send(http.StatusOK, gifType)
	}
}

func (x *exchange) imageHeader() {
	header := x.w.Header()
	header["Cache-Control"] = noStore
	// Pages that isolate themselves load images of others only if those agree.
	header.Set("Cross-Origin-Resource-Policy", "cross-origin")
}
