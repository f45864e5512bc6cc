package learn

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// verdicts are paths and whether they may be proposed, by their names alone.
var verdicts = []struct {
	path        string
	read, write bool
}{
	{"/", false, false},
	{"/srv", false, false},
	{"/srv/data", true, true},
	{"/srv/data/file.txt", true, true},
	{"/opt/tool/lib", true, true},
	{"/home", false, false},
	{"/home/ann", false, false},
	{"/home/ann/project", true, true},
	{"/home/ann/.config/x", false, false},
	{"/home/ann/.bashrc", false, false},
	{"/root", false, false},
	{"/root/project", true, true},
	{"/etc", false, false},
	{"/etc/fstab", true, false},
	{"/etc/shadow", false, false},
	{"/etc/shadow-", false, false},
	{"/etc/sudoers.d/x", false, false},
	{"/etc/ssh/ssh_host_rsa_key", false, false},
	{"/etc/ssl", false, false},
	{"/etc/ssl/private/x", false, false},
	{"/etc/machine-id", false, false},
	{"/var", false, false},
	{"/var/lib", false, false},
	{"/var/tmp", false, false},
	{"/var/tmp/x/y", true, true},
	{"/var/log/syslog", false, false},
	{"/var/lib/docker/x", false, false},
	{"/proc/1/environ", false, false},
	{"/sys/kernel", false, false},
	{"/dev/sda", false, false},
	{"/run/docker.sock", false, false},
	{"/var/run/docker.sock", false, false},
	{"/usr/lib/x", true, false},
	{"/bin/x", true, false},
	{"/srv/keys/id_rsa", false, false},
	{"/srv/keys/id_rsa.pub", false, false},
	{"/srv/tls/server.pem", false, false},
	{"/srv/tls/cacert.pem", true, true},
	{"/srv/tls/SERVER.KEY", false, false},
	{"/srv/app/secrets.yaml", false, false},
	{"/srv/app/client_secret_1.json", false, false},
	{"/srv/app/credentials.json", false, false},
	{"/srv/app/tokenizer.json", true, true},
	{"/srv/app/api-token", false, false},
	{"/srv/app/token.txt", false, false},
	{"/srv/app/.env", false, false},
	{"/srv/app/.git/config", false, false},
	{"/srv/secrets/a/b", false, false},
	{"/srv/backup/shadow", false, false},
	{"/srv/x/kubeconfig", false, false},
	{"/srv/team.code-workspace", true, false},
}

func TestNever_knowsNames(t *testing.T) {
	h := host{homes: []string{"/root", "/home/ann"}}
	for _, v := range verdicts {
		if _, err := os.Stat(v.path); err != nil && (strings.HasPrefix(v.path, "/etc/") && v.read || strings.HasPrefix(v.path, "/var/lib/") && v.read) {
			continue // there the permissions count too, and this host has no such file
		}
		for _, write := range []bool{false, true} {
			want := v.read
			if write {
				want = v.write
			}
			if why := h.never(v.path, write); (why == "") != want {
				t.Errorf("%s, write %v: %q, want it proposed: %v", v.path, write, why, want)
			}
		}
	}
}

func TestHost_knowsHomes(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Symlink(dir, filepath.Join(dir, "link")))
	h := readHost([]string{filepath.Join(dir, "link"), "relative", ""})
	for p, want := range map[string]bool{"/root": true, dir: true, filepath.Join(dir, "x"): false, "relative": false} {
		why := h.never(p, false)
		if got := strings.Contains(why, "home"); got != want && p != "/root" {
			t.Errorf("%s: %q, want a home: %v", p, why, want)
		}
	}
}

func TestHoldsSecrets_looksAtNames(t *testing.T) {
	for name, tt := range map[string]struct {
		files []string
		found string
	}{
		"none":             {[]string{"a", "b/c"}, ""},
		"a key":            {[]string{"a", "b/server.key"}, "b/server.key"},
		"variables":        {[]string{"x/.env.local"}, "x/.env.local"},
		"a hidden folder":  {[]string{".aws/config"}, ".aws"},
		"git is left out":  {[]string{".git/secret"}, ""},
		"modules are also": {[]string{"node_modules/x/.npmrc"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			found, whole := holdsSecrets(folder(t, tt.files...))
			if found != tt.found || !whole && found == "" {
				t.Errorf("found %q, whole %v, want %q", found, whole, tt.found)
			}
		})
	}
}

func TestHoldsSecrets_saysWhenItGaveUp(t *testing.T) {
	if _, whole := holdsSecrets(folder(t, strings.Repeat("d/", 12)+"f")); whole {
		t.Error("a deep folder was looked through")
	}
	if _, whole := holdsSecrets("/nonexistent"); whole {
		t.Error("a folder that is not there was looked through")
	}
}

func TestRefusals_areBounded(t *testing.T) {
	r := refusals{}
	for i := range 2 * maxRefusals {
		r.note(denial(step{"open", filepath.Join("/x", strings.Repeat("y", i)), false, false}), "no")
	}
	if len(r) != maxRefusals {
		t.Errorf("%d are remembered", len(r))
	}
}
