//go:build linux

package inside

import (
	"math"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/guest/wire"
)

// read sends a file's bytes.
func read(o *op, m *wire.Read) (wire.Message, error) {
	o.owe(0)
	p, err := o.s.root.Resolve(m.Path, true)
	if err != nil {
		return nil, at(wire.WherePath, err)
	}
	defer p.Close()
	fd, err := p.OpenFile(unix.O_RDONLY, 0)
	if err != nil {
		return nil, at(wire.WhereOpen, err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, at(wire.WhereOpen, err)
	}
	if _, err := unix.Seek(fd, m.Offset, 0); err != nil {
		return nil, at(wire.WhereRead, err)
	}
	out, err := o.output(0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(out)
	if err := o.part(info(p, &st)); err != nil {
		return nil, at(wire.WhereRead, err)
	}
	limit := m.Limit
	if limit == 0 {
		limit = math.MaxInt64
	}
	n, err := move(out, fd, limit)
	return &wire.Count{N: n}, at(wire.WhereRead, err)
}

// write takes a file's bytes.
func write(o *op, m *wire.Write, in int) (wire.Message, error) {
	defer unix.Close(in)
	t, err := o.s.target(m)
	if err != nil {
		return nil, at(wire.WhereOpen, err)
	}
	defer t.close()
	n, err := move(t.fd, in, math.MaxInt64)
	if err != nil {
		return nil, at(wire.WhereWrite, err)
	}
	if err := o.complete(n); err != nil {
		return nil, err
	}
	return &wire.Count{N: n}, at(wire.WhereWrite, t.commit(m))
}

// complete waits until the host says that its stream was whole: the end of a
// pipe alone could be a host that failed in the middle.
func (o *op) complete(n int64) error {
	o.whenCancelled(func() {
		select {
		case o.finish <- -1:
		default:
		}
	})
	switch whole := <-o.finish; whole {
	case n:
		return nil
	case -1:
		return at(wire.WhereStream, unix.ECANCELED)
	default:
		return at(wire.WhereStream, unix.EBADMSG)
	}
}

// move copies at most limit bytes to the end of src. The kernel moves the
// pages of a file into a pipe without copying them; one of the two always is
// a pipe.
func move(dst, src int, limit int64) (int64, error) {
	var done int64
	for done < limit {
		n, err := unix.Splice(src, nil, dst, nil, int(min(limit-done, movePiece)), 0)
		switch {
		case err == unix.EINTR:
		case err == unix.EINVAL || err == unix.ENOSYS: // a file system without it
			more, err := moveByHand(dst, src, limit-done)
			return done + more, err
		case err != nil:
			return done, err
		case n == 0:
			return done, nil
		default:
			done += n
		}
	}
	return done, nil
}

const movePiece = 1 << 20

func moveByHand(dst, src int, limit int64) (int64, error) {
	buf := make([]byte, 128<<10)
	var done int64
	for done < limit {
		n, err := unix.Read(src, buf[:min(limit-done, int64(len(buf)))])
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return done, err
		case n == 0:
			return done, nil
		}
		for rest := buf[:n]; len(rest) > 0; {
			w, err := unix.Write(dst, rest)
			if err != nil && err != unix.EINTR {
				return done, err
			}
			w = max(w, 0)
			rest = rest[w:]
			done += int64(w)
		}
	}
	return done, nil
}
