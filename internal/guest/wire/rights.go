//go:build linux

package wire

import "golang.org/x/sys/unix"

// Rights takes the descriptors out of control data. On any error all of them
// are closed.
func Rights(oob []byte, flags int) ([]int, error) {
	if len(oob) == 0 && flags&unix.MSG_CTRUNC == 0 {
		return nil, nil
	}
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, broken("control data: %v", err)
	}
	var all []int
	for i := range msgs {
		fds, err := unix.ParseUnixRights(&msgs[i])
		if err != nil {
			CloseAll(all)
			return nil, broken("control data: %v", err)
		}
		all = append(all, fds...)
	}
	if flags&unix.MSG_CTRUNC != 0 {
		CloseAll(all)
		return nil, broken("more descriptors than a frame may have")
	}
	return all, nil
}
