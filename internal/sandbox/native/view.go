package native

// What every native sandbox looks like inside: data, not code.

// The places inside that belong to the sandbox itself.
const (
	initPath  = "/.bulkhead/init"
	homePath  = "/home/sandbox"
	WorkPath  = "/work" // the work folder: $WORKSPACE
	innerUID  = 1000    // in a user namespace
	innerGID  = 1000
	hostName  = "sandbox"
	innerPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)

// systemRoots are shown read-only when the host has them: as the symbolic
// links they are, or as folders.
var systemRoots = []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"}

// systemFiles of /etc are shown read-only when the host has them: what the
// dynamic linker, time zones, certificates and alternatives need. None of
// them holds a secret that an unprivileged user could read.
var systemFiles = []string{
	"/etc/alternatives",
	"/etc/ca-certificates",
	"/etc/ca-certificates.conf",
	"/etc/debian_version",
	"/etc/fonts",
	"/etc/inputrc",
	"/etc/ld.so.cache",
	"/etc/ld.so.conf",
	"/etc/ld.so.conf.d",
	"/etc/locale.conf",
	"/etc/localtime",
	"/etc/magic",
	"/etc/mime.types",
	"/etc/os-release",
	"/etc/pki",
	"/etc/protocols",
	"/etc/services",
	"/etc/ssl",
	"/etc/terminfo",
	"/etc/timezone",
}

// devices are the only ones shown.
var devices = []string{"null", "zero", "full", "random", "urandom"}

// masks cover files of /proc that tell about the host's kernel or change it.
// An unprivileged user cannot read most of them: this is the second wall.
var masks = []string{
	"/proc/kallsyms", "/proc/kcore", "/proc/keys", "/proc/kmsg", "/proc/sched_debug",
	"/proc/sysrq-trigger", "/proc/timer_list", "/proc/config.gz",
}

// environment is what every command gets before the policy's own.
var environment = map[string]string{
	"HOME":        homePath,
	"PATH":        innerPath,
	"TMPDIR":      "/tmp",
	"LANG":        "C.UTF-8",
	"TZ":          ":/etc/localtime",
	"TERM":        "dumb",
	"USER":        "sandbox",
	"LOGNAME":     "sandbox",
	"SHELL":       "/bin/sh",
	"GOTOOLCHAIN": "local",
	"BULKHEAD":    "native",
}
