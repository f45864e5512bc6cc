//go:build linux

package inside

import "github.com/bulkhead-dev/bulkhead/internal/guest/wire"

// stdio is the descriptors of an exec.
type stdio struct {
	child [3]int // for fork.Command
	ours  []int  // the command's ends, to close after the fork
	sent  []int  // to send out with the answer that it started, then to close
}

// open gets the streams that the request names.
func (s *stdio) open(o *op, m *wire.Exec) error {
	s.child = [3]int{o.s.null, o.s.null, o.s.null}
	if m.PTY {
		o.owe(ptyOutput)
		return s.terminal(o, m)
	}
	for i := range uint16(3) {
		if i > 0 && m.Stdio&(1<<i) != 0 {
			o.owe(i)
		}
	}
	for i, get := range []func(uint16) (int, error){o.input, o.output, o.output} {
		if m.Stdio&(1<<i) == 0 {
			continue
		}
		fd, err := get(uint16(i))
		if err != nil {
			return err
		}
		s.child[i] = fd
		s.ours = append(s.ours, fd)
	}
	if m.Stdio&wire.Merged != 0 {
		s.child[2] = s.child[1]
	}
	return nil
}

// terminal opens a new terminal in the sandbox's own devpts.
func (s *stdio) terminal(o *op, m *wire.Exec) error {
	master, slave, err := openPTY(m.Rows, m.Cols)
	if err != nil {
		return at(wire.WhereTerminal, err)
	}
	s.child = [3]int{slave, slave, slave}
	s.ours = append(s.ours, slave)
	if o.s.mux != nil {
		return o.frameTerminal(master)
	}
	s.sent = []int{master}
	return nil
}

// close lets go of the command's ends.
func (s *stdio) close() {
	wire.CloseAll(s.ours)
	wire.CloseAll(s.sent)
}
