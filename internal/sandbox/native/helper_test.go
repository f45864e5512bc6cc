package native_test

import (
	"os"
	"syscall"
)

func uid(info os.FileInfo) uint32 { return info.Sys().(*syscall.Stat_t).Uid }
