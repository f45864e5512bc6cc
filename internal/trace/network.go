//go:build linux

package trace

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/kernel/notify"
)

// connect watches connections: to the outside, to services of the host, and to
// sockets in the host's files.
func (c call) connect() verdict { return c.reach("connect", 1, 2) }

// sendto watches datagrams that name their receiver.
func (c call) sendto() verdict {
	if c.Args[4] == 0 {
		return verdict{}
	}
	return c.reach("send", 4, 5)
}

// bind watches sockets that get a name in a folder. Addresses and ports are
// the sandbox's own.
func (c call) bind() verdict {
	to, ok := c.address(1, 2)
	if !ok || to.file == "" {
		return verdict{}
	}
	return c.makes("bind", to.file)
}

// reach judges the address of a connection or datagram.
func (c call) reach(operation string, addrArg, lenArg int) verdict {
	to, ok := c.address(addrArg, lenArg)
	switch {
	case !ok:
		return verdict{}
	case to.file != "":
		return c.reachFile(operation, to.file)
	case to.abstract != "":
		return c.hostOnly(operation, "@"+to.abstract, func(n string) bool { return hasUnix(n, to.abstract) })
	case to.ip.Addr().IsLoopback() || to.ip.Addr().IsUnspecified():
		return c.hostOnly(operation, to.ip.String(), func(n string) bool { return listens(n, to.ip.Port()) })
	}
	return deny(unix.ENETUNREACH, operation, to.ip.String(), c.s.Steps.Network, "")
}

// reachFile refuses a socket file that only the host has. No grant shows
// sockets.
func (c call) reachFile(operation, name string) verdict {
	v := c.needs(operation, name, "--read ")
	v.denial.Grant = ""
	return v
}

// hostOnly records a service that is on the host and not inside, where the
// same address means the sandbox itself. The kernel gives the answer.
func (c call) hostOnly(operation, object string, has func(netDir string) bool) verdict {
	if has(fmt.Sprintf("/proc/%d/net", c.PID)) || !has("/proc/self/net") || !c.s.listener.Valid(c.ID) {
		return verdict{}
	}
	return deny(0, operation, object, c.s.Steps.Network, "")
}

// address is where a call wants to go: one of the three is set.
type address struct {
	ip       netip.AddrPort
	file     string // a socket file, absolute and inside
	abstract string // a name without a file
}

// maxAddress is the size of struct sockaddr_storage.
const maxAddress = 128

// address reads the address argument of a call. false means that the kernel
// shall see for itself.
func (c call) address(addrArg, lenArg int) (address, bool) {
	size := c.int(lenArg)
	if size < 2 || size > maxAddress {
		return address{}, false
	}
	b, err := notify.ReadMemory(c.PID, c.Args[addrArg], size)
	if err != nil {
		return address{}, false
	}
	to, ok := parseAddress(b)
	if ok && to.file != "" && !path.IsAbs(to.file) {
		base, found := c.base(cwd)
		to.file, ok = base+"/"+to.file, found
	}
	return to, ok && c.s.listener.Valid(c.ID)
}

// parseAddress reads struct sockaddr of the families that have a meaning here.
func parseAddress(b []byte) (address, bool) {
	if len(b) < 2 {
		return address{}, false
	}
	switch family := binary.NativeEndian.Uint16(b); {
	case family == unix.AF_INET && len(b) >= 8:
		return address{ip: netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), binary.BigEndian.Uint16(b[2:]))}, true
	case family == unix.AF_INET6 && len(b) >= 24:
		ip := netip.AddrFrom16([16]byte(b[8:24])).Unmap()
		return address{ip: netip.AddrPortFrom(ip, binary.BigEndian.Uint16(b[2:]))}, true
	case family == unix.AF_UNIX && len(b) > 3 && b[2] == 0:
		return address{abstract: string(b[3:])}, true
	case family == unix.AF_UNIX && len(b) > 2 && b[2] != 0:
		name, _, _ := strings.Cut(string(b[2:]), "\x00")
		return address{file: name}, true
	}
	return address{}, false
}

// listens says whether a network has a TCP listener on a port: a line of
// /proc/net/tcp with that local port in state 0A.
func listens(netDir string, port uint16) bool {
	want := fmt.Sprintf(":%04X", port)
	return slices.ContainsFunc([]string{"tcp", "tcp6"}, func(table string) bool {
		for line := range strings.Lines(readTable(path.Join(netDir, table))) {
			f := strings.Fields(line)
			if len(f) > 3 && strings.HasSuffix(f[1], want) && f[3] == "0A" {
				return true
			}
		}
		return false
	})
}

// hasUnix says whether a network has a socket with an abstract name.
func hasUnix(netDir, name string) bool {
	for line := range strings.Lines(readTable(path.Join(netDir, "unix"))) {
		f := strings.Fields(line)
		if len(f) == 8 && f[7] == "@"+name {
			return true
		}
	}
	return false
}

// readTable reads at most 4 MiB of a file of /proc; one that cannot be read is
// empty.
func readTable(name string) string {
	f, err := os.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	b, _ := io.ReadAll(io.LimitReader(f, 4<<20))
	return string(b)
}
