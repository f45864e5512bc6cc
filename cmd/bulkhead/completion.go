package main

import (
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// shells are the shells that we know, each with what writes its script.
var shells = map[string]func(root *cobra.Command, w io.Writer) error{
	"bash":       func(root *cobra.Command, w io.Writer) error { return root.GenBashCompletionV2(w, true) },
	"zsh":        func(root *cobra.Command, w io.Writer) error { return root.GenZshCompletion(w) },
	"fish":       func(root *cobra.Command, w io.Writer) error { return root.GenFishCompletion(w, true) },
	"powershell": func(root *cobra.Command, w io.Writer) error { return root.GenPowerShellCompletionWithDesc(w) },
}

// shellNames are the shells in the order of the help.
var shellNames = []string{"bash", "zsh", "fish", "powershell"}

// completion prints the script that makes a shell complete our commands.
func (p program) completion() *cobra.Command {
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print the completion script of a shell",
		Long:  "Print the script that lets a shell complete commands, flags and job ids: " + strings.Join(shellNames, ", ") + ".",
		Example: `  source <(bulkhead completion bash)
  bulkhead completion zsh > ~/.zfunc/_bulkhead
  bulkhead completion fish > ~/.config/fish/completions/bulkhead.fish`,
		Args:      wants("SHELL"),
		ValidArgs: shellNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			write, ok := shells[args[0]]
			if !ok {
				return unknown(cmd, "shell", args[0], shellNames, "")
			}
			return outputError(write(cmd.Root(), p.out))
		},
	}
}

// completer is what cobra calls to complete a word.
type completer = func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective)

// words completes from a fixed list.
func words(list ...string) completer {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return list, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeEnv completes the names of the caller's variables.
func completeEnv(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var names []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		names = append(names, name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeFolder completes folders.
func completeFolder(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}
