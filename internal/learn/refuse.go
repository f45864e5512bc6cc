package learn

import (
	"path"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// Whatever a command asks for, these are not proposed. The tables are about
// names: a secret under an innocent name is for the one who reads the proposal.

// secretPlaces are paths that are secrets, or hold them, with all beneath.
var secretPlaces = []string{
	"/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-", "/etc/sudoers", "/etc/sudoers.d",
	"/etc/ssh", "/etc/ssl/private", "/etc/pki/tls/private", "/etc/krb5.keytab", "/etc/security",
	"/etc/NetworkManager", "/etc/wireguard", "/etc/openvpn", "/etc/ppp", "/etc/letsencrypt",
	"/etc/docker", "/etc/kubernetes", "/etc/rancher", "/etc/machine-id", "/etc/cron.d", "/etc/crontab",
	"/var/lib/docker", "/var/lib/containerd", "/var/lib/kubelet", "/var/lib/private", "/var/lib/sss",
	"/var/lib/samba", "/var/lib/mysql", "/var/lib/postgresql", "/var/lib/redis", "/var/lib/dbus",
	"/var/backups", "/var/log", "/var/mail", "/var/spool", "/boot", "/lost+found",
}

// kernelPlaces belong to the kernel or to running programs.
var kernelPlaces = []string{"/proc", "/sys", "/dev", "/run", "/var/run"}

// crowded are folders that hold things of many owners: parts of them may be
// proposed, the whole never.
var crowded = []string{"/home", "/usr/local", "/var/lib", "/var/cache", "/var/tmp", "/var/www", "/var/local", "/var/opt", "/etc/ssl", "/etc/pki", "/opt/local"}

// systemPlaces are not written by anything that learn proposes.
var systemPlaces = []string{"/bin", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/sbin", "/usr", "/var/lib"}

// secretNames are names of secrets, in lower case, for any part of a path.
var secretNames = []string{
	"id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore",
	"*.kdbx", "*.gpg", "*.ovpn", "*.keytab", "*.ppk", "*credential*", "secret", "secrets", "secret.*", "secrets.*",
	"*_secret*", "*-secret*", "*.secret", "*password*", "*passphrase*", "htpasswd", "shadow", "gshadow", "token", "tokens",
	"token.*", "tokens.*", "*_token", "*_token.*", "*-token", "*-token.*", "*_tokens.json", "authorized_keys",
	"known_hosts", "*_history", "logins.json", "key3.db", "key4.db", "cookies", "cookies.sqlite", "login data",
	"wallet.dat", "*.wallet", "kubeconfig", "service-account*.json", "*.tfstate", "terraform.tfvars",
}

// publicNames look like secrets and are none.
var publicNames = []string{"cacert.pem", "ca-bundle.pem", "ca-certificates.pem", "cert.pem"}

// secretName says whether one name of a path is a secret's.
func secretName(name string) bool {
	name = strings.ToLower(name)
	return !matchesAny(publicNames, name) && matchesAny(secretNames, name)
}

func matchesAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, name)
		return ok && err == nil
	})
}

// never says why a path is not proposed; empty: it may be. A link is judged by
// its name and by where it leads.
func (l *learner) never(p string, write bool) string {
	for _, at := range slices.Compact([]string{p, realPath(p)}) {
		if why := l.host.never(at, write); why != "" {
			return why
		}
	}
	if kind := special(p); kind != "" {
		return "it is " + kind
	}
	asked := policy.Policy{}
	if write {
		asked.Filesystem.Write = []string{p}
	} else {
		asked.Filesystem.Read = []string{p}
	}
	if err := l.May(asked); err != nil {
		return firstLine(err.Error())
	}
	return ""
}

// rules are why a path is not proposed, in the order in which they are asked.
var rules = []struct {
	why  string
	hold func(h host, p string, write bool) bool
}{
	{"it belongs to the kernel or to running programs", func(_ host, p string, _ bool) bool { return inAny(p, kernelPlaces) }},
	{"it is the whole host, or a top folder of it", func(_ host, p string, _ bool) bool { return strings.Count(p, "/") < 2 }},
	{"it is a secret, or holds secrets", func(_ host, p string, _ bool) bool { return inAny(p, secretPlaces) }},
	{"it is a whole home, or holds homes", func(h host, p string, _ bool) bool {
		return slices.ContainsFunc(h.homes, func(home string) bool { return beneath(home, p) })
	}},
	{"it holds secrets", func(_ host, p string, _ bool) bool {
		return slices.ContainsFunc(secretPlaces, func(s string) bool { return beneath(s, p) })
	}},
	{"it holds things of many owners", func(_ host, p string, _ bool) bool { return slices.Contains(crowded, p) }},
	{"its name is that of a secret", func(_ host, p string, _ bool) bool { return anyName(p, secretName) }},
	{"it is hidden: names that begin with a dot hold settings and keys", func(_ host, p string, _ bool) bool {
		return anyName(p, func(name string) bool { return strings.HasPrefix(name, ".") })
	}},
	{"only its owner may read it, and it is the system's", func(_ host, p string, _ bool) bool {
		return inAny(p, []string{"/etc", "/var/lib"}) && !readableByAll(p)
	}},
	{"it is the system's, and is not written", func(_ host, p string, write bool) bool { return write && inAny(p, systemPlaces) }},
	{"programs of the host act on it", func(_ host, p string, write bool) bool {
		return write && policy.NewGuard(policy.Filesystem{}).Protected("/", strings.TrimPrefix(p, "/"), true) != ""
	}},
}

// never applies the rules to a path without links.
func (h host) never(p string, write bool) string {
	for _, r := range rules {
		if r.hold(h, p, write) {
			return r.why
		}
	}
	return ""
}

func inAny(p string, places []string) bool {
	return slices.ContainsFunc(places, func(place string) bool { return beneath(p, place) })
}

func anyName(p string, is func(string) bool) bool {
	return slices.ContainsFunc(strings.Split(strings.Trim(p, "/"), "/"), is)
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// refusals are what was refused and is not granted: by object, with the
// operations.
type refusals map[string]*Suggestion

// maxRefusals bounds what is remembered of a command that asks for very much.
const maxRefusals = 500

// note remembers a refusal and why it stays one.
func (r refusals) note(d event.Denial, why string) {
	s := r[d.Object]
	if s == nil {
		if len(r) >= maxRefusals {
			return
		}
		s = &Suggestion{Path: d.Object, Verdict: Refused, Why: why}
		r[d.Object] = s
	}
	s.Seen = merge(s.Seen, []string{d.Operation})
}

// left lists what was refused to the end: what is never proposed, and what the
// command passed without.
func (l *learner) left() []Suggestion {
	still := map[string]bool{}
	for _, d := range l.last.Report.Denials {
		still[d.Object] = true
		if l.refusals[d.Object] == nil {
			why := "it passes without"
			if !l.passed {
				why = "it was not tried"
			}
			l.refusals.note(d, why)
		}
	}
	var all []Suggestion
	for _, s := range l.refusals {
		if l.grants.has(s.Path, false) && !still[s.Path] {
			continue // allowed in the end
		}
		all = append(all, *s)
	}
	slices.SortFunc(all, func(a, b Suggestion) int { return strings.Compare(a.Path, b.Path) })
	return all
}
