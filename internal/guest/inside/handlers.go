//go:build linux

package inside

import (
	"github.com/bulkhead-dev/bulkhead/internal/guest/wire"
	"golang.org/x/sys/unix"
)

// handler takes a request on the goroutine that reads frames: it must parse
// the payload before it returns, and must not wait. An error is a breach of
// the protocol.
type handler func(o *op, payload []byte) error

// handlers is every request of the protocol.
var handlers map[wire.Kind]handler

func init() {
	handlers = map[wire.Kind]handler{
		wire.KindPing:      here(ping),
		wire.KindExec:      direct(startExec),
		wire.KindSignal:    here(signalExec),
		wire.KindResize:    here(resize),
		wire.KindProcesses: apart(processes),
		wire.KindKill:      here(kill),
		wire.KindMetrics:   apart(metrics),
		wire.KindStat:      apart(stat),
		wire.KindList:      apart(list),
		wire.KindMkdir:     apart(mkdir),
		wire.KindRemove:    apart(remove),
		wire.KindRename:    apart(rename),
		wire.KindRead:      apart(read),
		wire.KindWrite:     fed(write),
		wire.KindWatch:     apart(watch),
		wire.KindUpload:    fed(upload),
		wire.KindDownload:  apart(download),
		wire.KindDial:      direct(dial),
		wire.KindShutdown:  apart(shutdown),
	}
}

// message is a pointer to an M that is a wire.Message.
type message[M any] interface {
	*M
	wire.Message
}

// here answers at once, on the reader's goroutine.
func here[M any, P message[M]](f func(*op, *M) (wire.Message, error)) handler {
	return parsed[M, P](func(o *op, m *M) { o.answer(f(o, m)) })
}

// apart answers on a goroutine of its own.
func apart[M any, P message[M]](f func(*op, *M) (wire.Message, error)) handler {
	return parsed[M, P](func(o *op, m *M) { go func() { o.answer(f(o, m)) }() })
}

// fed is apart with stream 0 from the host, which f closes. It is opened before
// the next frame is read: that may bring its first bytes.
func fed[M any, P message[M]](f func(*op, *M, int) (wire.Message, error)) handler {
	return parsed[M, P](func(o *op, m *M) {
		in, err := o.input(0)
		if err != nil {
			o.answer(nil, err)
			return
		}
		go func() { o.answer(f(o, m, in)) }()
	})
}

// direct leaves answering to f, unless it fails.
func direct[M any, P message[M]](f func(*op, *M) error) handler {
	return parsed[M, P](func(o *op, m *M) {
		if err := f(o, m); err != nil {
			o.answer(nil, err)
		}
	})
}

func parsed[M any, P message[M]](f func(*op, *M)) handler {
	return func(o *op, payload []byte) error {
		m := new(M)
		if err := wire.Parse(payload, P(m)); err != nil {
			o.answer(nil, at(wire.WhereRequest, unix.EINVAL))
			return err
		}
		if o.s.crowded() {
			o.answer(nil, at(wire.WhereLimit, unix.EAGAIN))
			return errOrder // a host counts its own
		}
		f(o, m)
		return nil
	}
}

func ping(*op, *wire.Empty) (wire.Message, error) { return &wire.Empty{}, nil }
