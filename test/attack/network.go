//go:build linux

package attack

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
)

// listenUnix listens on a socket that everybody may use, and returns the
// address as connect takes it.
func (c *cell) listenUnix(name string) (net.Listener, bytes) {
	c.Helper()
	l, err := net.Listen("unix", name)
	c.must(err)
	if name[0] != '@' {
		c.must(unix.Chmod(name, 0o777))
	}
	if name[0] == '@' {
		name = "\x00" + name[1:]
	} else {
		name += "\x00"
	}
	return l, append(bytes{unix.AF_UNIX, 0}, name...)
}

// inet is an IPv4 address of the loopback as connect takes it.
func inet(port int) bytes {
	b := bytes{unix.AF_INET, 0, 0, 0, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}
	binary.BigEndian.PutUint16(b[2:], uint16(port))
	return b
}

// socket makes a kind of socket.
func socket(domain, kind, protocol int) call { return sys(unix.SYS_SOCKET, domain, kind, protocol) }

// sockets is a row for a kind of socket that no sandbox needs.
func sockets(id, attack string, domain, kind, protocol int) row {
	return row{
		id: id, attack: attack, success: "socket answers a descriptor",
		walls: []string{filter}, need: family(attack, domain, kind, protocol),
		try: all(socket(domain, kind, protocol)),
	}
}

func networkRows() []row {
	return []row{
		{
			id: "N01", attack: "connect to a service on the host's loopback", success: "the host accepts the connection",
			walls: []string{netNS},
			try:   dial,
		},
		{
			id: "N01", attack: "the same, strict", success: "the host accepts the connection",
			walls: []string{netNS, landlock, filter}, policy: strict,
			try: dial,
		},
		{
			id: "N03", attack: "send a datagram to the host's loopback", success: "the host gets it",
			walls: []string{netNS},
			try: func(c *cell) verdict {
				l, err := net.ListenPacket("udp4", "127.0.0.1:0")
				c.must(err)
				defer l.Close()
				to := inet(l.LocalAddr().(*net.UDPAddr).Port)
				c.calls(socket(unix.AF_INET, unix.SOCK_DGRAM, 0), sys(unix.SYS_SENDTO, ref(0), "hello", 5, 0, to, len(to)))
				n, err := recvNow(l)
				return verdict{n == 5, string(c.result.Stdout)}.or(err)
			},
		},
		{
			id: "N01", attack: "see the host's network devices", success: "the victim sees more than lo",
			walls: []string{netNS},
			try: func(c *cell) verdict {
				res := c.run("/bin/sh", "-c", "tail -n +3 /proc/net/dev | grep -vc ' lo:'")
				return verdict{res.ExitCode == 0, string(res.Stdout)}
			},
			need: need{"a network device", func() bool { is, err := net.Interfaces(); return err == nil && len(is) > 1 }},
		},
		{
			id: "K23", attack: "talk to a service of the host by an abstract socket", success: "the host accepts the connection",
			walls: []string{netNS, landlock},
			try: func(c *cell) verdict {
				l, name := c.listenUnix("@bulkhead-attack" + c.dir)
				return c.connects(l, name)
			},
		},
		{
			id: "B14", attack: "talk to another sandbox over loopback", success: "the other one accepts the connection",
			walls: []string{netNS},
			try:   neighbours,
		},
		sockets("K07", "the kernel's cryptography (AF_ALG)", unix.AF_ALG, unix.SOCK_SEQPACKET, 0),
		sockets("K08", "a socket to the hypervisor (AF_VSOCK)", unix.AF_VSOCK, unix.SOCK_STREAM, 0),
		sockets("K08", "the kernel's device events (netlink)", unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_KOBJECT_UEVENT),
		sockets("K08", "UDP-Lite", unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_UDPLITE),
		sockets("B05", "multipath TCP, which Landlock does not see", unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP),
		sockets("B05", "SCTP, which Landlock does not see", unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_SCTP),
		raw("K08", "packets below IP (AF_PACKET)", unix.AF_PACKET, unix.SOCK_RAW, 0),
		raw("K08", "raw IP packets", unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP),
		raw("K08", "the kernel's express data path (AF_XDP)", unix.AF_XDP, unix.SOCK_RAW, 0),
		{
			id: "B06", attack: "take loopback down with capabilities kept across execve", success: "ioctl answers 0",
			user: []string{caps}, only: "user", by: "reexec",
			why: "root's step of the user id clears them, and without ambient capabilities execve does; the portable launcher of an ordinary user has ambient ones",
			try: all(socket(unix.AF_INET, unix.SOCK_DGRAM, 0), sys(unix.SYS_IOCTL, ref(0), unix.SIOCSIFFLAGS, append(append(bytes("lo"), make(bytes, 14)...), make(bytes, 24)...))),
		},
	}
}

// raw is a row for a socket that needs a capability, which a namespace of
// one's own gives.
func raw(id, attack string, domain, kind, protocol int) row {
	r := sockets(id, attack, domain, kind, protocol)
	r.need = need{}
	r.try = func(c *cell) verdict {
		return told2(c.inside(unix.CLONE_NEWUSER|unix.CLONE_NEWNET, socket(domain, kind, protocol)), 1)
	}
	return r
}

// dial connects to a listener of the host.
func dial(c *cell) verdict {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	c.must(err)
	return c.connects(l, inet(l.Addr().(*net.TCPAddr).Port))
}

// connects connects to a listener of the host, which must see it.
func (c *cell) connects(l net.Listener, to bytes) verdict {
	c.Helper()
	defer l.Close()
	as := c.calls(socket(int(to[0]), unix.SOCK_STREAM, 0), sys(unix.SYS_CONNECT, ref(0), to, len(to)))
	c.must(l.(interface{ SetDeadline(time.Time) error }).SetDeadline(time.Now().Add(50 * time.Millisecond)))
	conn, err := l.Accept()
	if err == nil {
		conn.Close()
	}
	return told(as, err == nil)
}

// or keeps a verdict unless the host could not look.
func (v verdict) or(err error) verdict {
	if err != nil {
		v.saw += ": " + err.Error()
	}
	return v
}

// neighbours starts a sandbox that listens, and another one that connects.
func neighbours(c *cell) verdict {
	port := c.writable + "/port"
	req := c.command(c.victim, "serve", port, port+".stop")
	listening := make(chan string)
	go func() {
		res, err := c.manager().Run(context.Background(), req, sandbox.IO{})
		listening <- fmt.Sprintf("%s %v", res.Stdout, err)
	}()
	for range 200 {
		if c.read(port) != "" {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	n, err := strconv.Atoi(c.read(port))
	if err != nil {
		c.Errorf("the neighbour does not listen: %s", <-listening)
		return verdict{}
	}
	to := inet(n)
	c.calls(socket(unix.AF_INET, unix.SOCK_STREAM, 0), sys(unix.SYS_CONNECT, ref(0), to, len(to)))
	c.write(port+".stop", "")
	saw := <-listening
	return verdict{strings.Contains(saw, `"n":1`), saw}
}
