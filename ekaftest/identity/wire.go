package identity

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// maxAnswer bounds an answer's length.
const maxAnswer = 64 << 20

// wire asks one broker, one request at a time.
type wire struct{ net.Conn }

func dial(ctx context.Context, t Target, broker int32) (wire, error) {
	conn, err := t.Dial(ctx, broker)
	if err != nil {
		return wire{}, fmt.Errorf("cannot reach broker %d: %w", broker, err)
	}
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	return wire{conn}, nil
}

func (w wire) send(req kmsg.Request) error {
	_, err := w.Write(kmsg.NewRequestFormatter(kmsg.FormatterClientID("identity")).AppendRequest(nil, req, 0))
	return err
}

func (w wire) receive(resp kmsg.Response) error {
	var size [4]byte
	if _, err := io.ReadFull(w, size[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > maxAnswer {
		return fmt.Errorf("cannot read an answer of %d bytes", n)
	}
	payload := make([]byte, n)
	if _, err := io.ReadFull(w, payload); err != nil {
		return err
	}
	b := kbin.Reader{Src: payload}
	b.Int32()
	if resp.IsFlexible() && resp.Key() != kmsg.ApiVersions.Int16() {
		kmsg.SkipTags(&b)
	}
	return resp.ReadFrom(b.Src)
}

// ask sends a request and reads the answer, which is of type R.
func ask[R kmsg.Response](w wire, req kmsg.Request) (R, error) {
	var none R
	if err := w.send(req); err != nil {
		return none, fmt.Errorf("cannot send %s: %w", kmsg.NameForKey(req.Key()), err)
	}
	resp := req.ResponseKind()
	if err := w.receive(resp); err != nil {
		return none, fmt.Errorf("cannot read the answer to %s: %w", kmsg.NameForKey(req.Key()), err)
	}
	return resp.(R), nil
}
