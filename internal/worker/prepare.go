package worker

import "github.com/ekaf-go/ekaf/internal/batch"

// Prepare massages and compresses a closed batch. It runs in the host's pool,
// without the lane's lock: the batch was claimed, so nobody else changes it, and
// a lane that is stopped meanwhile leaves its bytes alone until Prepare is done.
// The hook may panic; the batch then goes as it is, and fault says so.
func (l *Lane) Prepare(b *batch.Batch) (fault error) {
	made := b
	if l.cfg.Massage != nil && !b.Massaged {
		made, fault = l.massage(b)
	}
	if l.cfg.Codec != batch.None && made.Count() > 0 {
		if err := made.Pack(l.cfg.Codec, l.cfg.Level); err != nil {
			fault = err // it goes uncompressed
		}
	}
	l.mu.Lock()
	b.Outstanding--
	b.Compressing, b.Packed = false, true
	if b.Left {
		free := b.Outstanding == 0
		l.mu.Unlock()
		if made != b {
			made.FreeBytes()
			made.Recycle()
		}
		if free {
			l.host.Released(l, b)
		}
		return fault
	}
	out := outcomes{lane: l}
	if made != b {
		l.putMassaged(b, made, &out)
	} else if some, _ := b.Withdrawn(); some {
		l.trim(l.queue.place(b))
	}
	l.settle(&out)
	l.finish(&out)
	return fault
}

// massage runs the hook on a batch's messages.
func (l *Lane) massage(b *batch.Batch) (made *batch.Batch, fault error) {
	messages := b.Messages()
	count := len(messages)
	massaged, fault := l.runHook(messages)
	if fault != nil {
		return b, fault
	}
	made = batch.New(b.Opened)
	made.Inherit(b)
	for i := range massaged {
		made.Add(&massaged[i])
	}
	made.Massaged, made.Shared = true, len(massaged) != count
	return made, nil
}

func (l *Lane) runHook(messages []batch.Message) (massaged []batch.Message, fault error) {
	defer func() {
		if r := recover(); r != nil {
			fault = &HookPanic{Value: r}
		}
	}()
	return l.cfg.Massage(messages), nil
}

// HookPanic is a panic of MassageBuffer.
type HookPanic struct{ Value any }

func (p *HookPanic) Error() string { return "MassageBuffer panicked" }

// putMassaged puts the new batch in the old one's place. If the hook kept their
// number, each message keeps its completion; else all share the outcome of the new
// batch's first. Completions are moved here, under the lock: a caller may have
// given up meanwhile, and have taken its own out. A batch without messages is
// done: the hook took them.
func (l *Lane) putMassaged(b, made *batch.Batch, out *outcomes) {
	if made.Shared {
		made.ShareEntries(b)
	} else {
		made.CopyEntries(b)
	}
	made.Packed = true
	l.adopt(made, b)
	l.unpacked--
	l.swap(b, made)
	if made.Count() == 0 {
		made.Move(batch.Acked)
		made.Acked = l.result(made, -1, -1)
		l.skipDone()
	}
}
