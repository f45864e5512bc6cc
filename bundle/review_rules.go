package bundle

import (
	"bytes"
	"path"
	"regexp"
	"slices"
	"strings"
)

// broadSecrets are variables that open a whole account, cluster or machine.
var broadSecrets = []string{
	"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE",
	"GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_API_KEY", "GEMINI_API_KEY", "CLOUDSDK_AUTH_ACCESS_TOKEN",
	"AZURE_CLIENT_SECRET", "AZURE_STORAGE_KEY", "ARM_CLIENT_SECRET",
	"DIGITALOCEAN_ACCESS_TOKEN", "HCLOUD_TOKEN", "CLOUDFLARE_API_TOKEN", "CLOUDFLARE_API_KEY", "ALICLOUD_SECRET_KEY",
	"GITHUB_TOKEN", "GH_TOKEN", "GITHUB_PAT", "GITLAB_TOKEN", "BITBUCKET_TOKEN", "NPM_TOKEN", "PYPI_TOKEN",
	"OPENAI_API_KEY", "ANTHROPIC_API_KEY", "HF_TOKEN", "HUGGINGFACE_TOKEN", "MISTRAL_API_KEY",
	"STRIPE_SECRET_KEY", "STRIPE_API_KEY", "SLACK_TOKEN", "SLACK_BOT_TOKEN",
	"KUBECONFIG", "VAULT_TOKEN", "DOCKER_HOST", "DOCKER_AUTH_CONFIG", "SSH_AUTH_SOCK", "GPG_AGENT_INFO",
	"DATABASE_URL", "REDIS_URL", "MN_REDIS_URL", "PGPASSWORD", "MYSQL_PWD",
}

// secretName is what the names of other secrets look like.
var secretName = regexp.MustCompile(`(?i)(^|_)(TOKEN|KEY|APIKEY|SECRET|PASSWORD|PASSWD|PWD|PASSPHRASE|CREDENTIALS?|COOKIE|PAT|AUTH)(_|$)`)

// steering are variables that make every program load or run something more.
var steering = []string{
	"LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "DYLD_INSERT_LIBRARIES",
	"PYTHONPATH", "PYTHONSTARTUP", "PYTHONHOME", "NODE_OPTIONS", "NODE_PATH", "PERL5OPT", "PERL5LIB", "RUBYOPT", "JAVA_TOOL_OPTIONS",
	"BASH_ENV", "ENV", "PROMPT_COMMAND", "PATH", "GIT_SSH_COMMAND", "GIT_EXTERNAL_DIFF", "EDITOR", "PAGER",
}

// judgePass judges a variable that is taken from the host.
func judgePass(name string) finding {
	switch {
	case slices.Contains(broadSecrets, strings.ToUpper(name)):
		return danger("opens a whole account; give the worker a narrow key of its own")
	case secretName.MatchString(name):
		return look("looks like a secret")
	case slices.Contains(steering, name):
		return look("changes what programs load or run")
	}
	return fine
}

// judgeSet judges a variable whose value the manifest writes.
func judgeSet(name, value string) finding {
	if found := findSecrets([]byte(value)); len(found) > 0 {
		return danger("contains " + found[0].what)
	}
	if value != "" && (secretName.MatchString(name) || slices.Contains(broadSecrets, strings.ToUpper(name))) {
		return look("a secret seems to stand in the manifest")
	}
	if slices.Contains(steering, name) {
		return look("changes what programs load or run")
	}
	return fine
}

// secretFolders hold what gives power over accounts and machines. A leading
// ~ is anybody's home.
var secretFolders = []string{
	"~/.ssh", "~/.gnupg", "~/.aws", "~/.azure", "~/.kube", "~/.docker", "~/.config", "~/.local/share/keyrings",
	"~/.netrc", "~/.git-credentials", "~/.gitconfig", "~/.npmrc", "~/.pypirc", "~/.cargo/credentials.toml",
	"~/.password-store", "~/.mozilla", "~/.bash_history", "~/.zsh_history", "~/.claude", "~/.codex", "~/Library",
	"/etc/shadow", "/etc/gshadow", "/etc/sudoers", "/etc/sudoers.d", "/etc/ssh", "/etc/ssl/private", "/etc/kubernetes",
	"/proc", "/sys", "/dev", "/boot", "/run", "/var/run", "/var/lib/docker", "/var/lib/kubelet", "/var/log",
}

// systemFolders every sandbox may read anyway.
var systemFolders = []string{"/usr", "/bin", "/sbin", "/lib", "/lib64", "/nix", "/etc/ssl/certs"}

// home is the beginning of a path in somebody's home folder.
var home = regexp.MustCompile(`^(~|/root|/home/[^/]+|/Users/[^/]+)(/|$)`)

// homes are folders that hold home folders.
var homes = []string{"/home", "/Users"}

// workFolder is an attempt's own folder, in policies.
const workFolder = "$WORKSPACE"

// judgeRead judges a path that is to be readable, with everything beneath.
func judgeRead(p string) finding {
	switch p = homeless(p); {
	case inFolder(p, workFolder):
		return fine
	case p == "~", slices.Contains(homes, p):
		return danger("a whole home folder, with keys and history")
	case p == "/":
		return danger("the whole host")
	case slices.ContainsFunc(secretFolders, func(s string) bool { return inFolder(p, s) || inFolder(s, p) }):
		return danger("keys, passwords or the machine's inner state lie there")
	case slices.ContainsFunc(systemFolders, func(s string) bool { return inFolder(p, s) }):
		return fine
	}
	return look("a path of the host")
}

// judgeWrite judges a path that is to be writable.
func judgeWrite(p string) finding {
	f := judgeRead(p)
	clean := homeless(p)
	switch {
	case f.verdict == Danger, inFolder(clean, workFolder):
		return f
	case slices.ContainsFunc(append([]string{"/etc", "/var/spool"}, systemFolders...), func(s string) bool { return inFolder(clean, s) || inFolder(s, clean) }):
		return danger("programs and settings of the host lie there")
	}
	return look("writes outside the work folder")
}

// homeless cleans a path and writes ~ for the home folder that it begins with.
func homeless(p string) string {
	p = path.Clean(p)
	if m := home.FindStringSubmatch(p); m != nil {
		return path.Clean("~" + p[len(m[1]):])
	}
	return p
}

// inFolder reports whether a clean path is a folder or lies beneath it.
func inFolder(p, folder string) bool {
	return p == folder || folder == "/" || strings.HasPrefix(p, folder+"/")
}

// judgeHost judges a host that is to be reachable.
func judgeHost(host string) finding {
	if strings.HasPrefix(host, "*") || strings.HasPrefix(host, "0.0.0.0") || host == "any" {
		return danger("any host, also one that collects secrets")
	}
	return look("data can leave through it")
}

// strangeCommands are what commands rarely need.
var strangeCommands = []struct {
	re  *regexp.Regexp
	why string
}{
	{regexp.MustCompile(`\b(curl|wget|fetch)\b[^|;&]*\|\s*(sudo\s+)?(ba|z|da|k)?sh\b`), "runs what it downloads"},
	{regexp.MustCompile(`\b(curl|wget|nc|ncat|socat|ssh|scp|telnet)\b`), "wants the network"},
	{regexp.MustCompile(`\b(sudo|su|doas|pkexec|chroot|nsenter|unshare|mount|setcap|insmod|modprobe)\b`), "wants power over the host"},
	{regexp.MustCompile(`\bbase64\s+(-d|-D|--decode)|\beval\b|\\x[0-9a-fA-F]{2}\\x`), "hides what it runs"},
	{regexp.MustCompile(`/dev/(tcp|udp)/`), "wants the network"},
	{regexp.MustCompile(`\b(pip3?|npm|yarn|gem|cargo|apt|apt-get|apk|dnf)\s+(install|add|i)\b`), "installs software while it runs"},
	{regexp.MustCompile(`\bdocker\b|docker\.sock`), "wants the container engine of the host"},
}

// judgeCommand judges a worker's command.
func judgeCommand(args []string) finding {
	text := strings.Join(args, " ")
	if found := findSecrets([]byte(text)); len(found) > 0 {
		return danger("contains " + found[0].what)
	}
	for _, s := range strangeCommands {
		if s.re.MatchString(text) {
			return look(s.why)
		}
	}
	return fine
}

// secretForms are what secrets look like in a text. The sign is in all of
// them: looking for it first is many times faster.
var secretForms = []struct {
	what string
	sign string
	re   *regexp.Regexp
}{
	{"a private key", "PRIVATE KEY", regexp.MustCompile(`-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----`)},
	{"an AWS access key", "AKIA", regexp.MustCompile(`\bAKIA[0-9A-Z]{16}\b`)},
	{"a temporary AWS access key", "ASIA", regexp.MustCompile(`\bASIA[0-9A-Z]{16}\b`)},
	{"a GitHub token", "gh", regexp.MustCompile(`\bgh[opsur]_[A-Za-z0-9]{36}\b`)},
	{"a GitHub token", "github_pat_", regexp.MustCompile(`\bgithub_pat_[A-Za-z0-9_]{60,}`)},
	{"a GitLab token", "glpat-", regexp.MustCompile(`\bglpat-[A-Za-z0-9_-]{20,}`)},
	{"a Slack token", "xox", regexp.MustCompile(`\bxox[abeoprs]-[A-Za-z0-9-]{20,}`)},
	{"a Google API key", "AIza", regexp.MustCompile(`\bAIza[0-9A-Za-z_-]{35}`)},
	{"a Stripe key", "k_live_", regexp.MustCompile(`\b[rs]k_live_[0-9A-Za-z]{20,}`)},
	{"an API key of a language model", "sk-", regexp.MustCompile(`\bsk-(?:ant-|proj-)?[A-Za-z0-9_-]{32,}`)},
	{"a signed web token", "eyJ", regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}`)},
}

// secret is something in a text that looks like one.
type secret struct {
	what   string
	offset int
}

// findSecrets finds the first secret of each form.
func findSecrets(data []byte) []secret {
	var found []secret
	for _, s := range secretForms {
		if !bytes.Contains(data, []byte(s.sign)) {
			continue
		}
		if at := s.re.FindIndex(data); at != nil {
			found = append(found, secret{s.what, at[0]})
		}
	}
	return found
}

// redact puts the name of a secret in place of each.
func redact(text string) string {
	for _, s := range secretForms {
		if strings.Contains(text, s.sign) {
			text = s.re.ReplaceAllString(text, "["+s.what+"]")
		}
	}
	return text
}
