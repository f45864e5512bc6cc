package main

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	apiv1 "github.com/bulkhead-dev/bulkhead/api/v1"
)

// release is the version of this build. The linker may set it.
var release = ""

// version prints what this program was built from.
func (p program) version() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  bulkhead version\n  bulkhead version --json",
		Args:    wants(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := versionInfo()
			if wantsJSON(cmd) {
				return p.json(v)
			}
			line := "bulkhead " + v.GetVersion()
			if v.GetCommit() != "" {
				line += " (" + v.GetCommit() + ")"
			}
			return p.say("%s, %s, %s", line, v.GetGo(), v.GetPlatform())
		},
	}
}

// versionInfo reads what the Go toolchain stamped into the binary.
func versionInfo() *apiv1.VersionInfo {
	v := &apiv1.VersionInfo{
		Version:  release,
		Go:       runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	info, ok := debug.ReadBuildInfo()
	if ok && v.GetVersion() == "" {
		v.Version = info.Main.Version
	}
	if v.GetVersion() == "" {
		v.Version = "(devel)"
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			v.Commit = s.Value + v.GetCommit()
		case s.Key == "vcs.modified" && s.Value == "true":
			v.Commit += "+changed"
		}
	}
	return v
}
