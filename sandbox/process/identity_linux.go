package process

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// identity returns the boot-relative start time of a running process.
func identity(pid int) (string, bool) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return "", false
	}
	// The command name stands in parentheses and may contain anything, so fields
	// are counted from the last parenthesis: state is the third field, start time
	// the twenty-second (proc_pid_stat(5)).
	end := bytes.LastIndexByte(data, ')')
	if end < 0 {
		return "", false
	}
	fields := strings.Fields(string(data[end+1:]))
	if len(fields) < 20 || ended(pid, fields[0]) {
		return "", false
	}
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return fields[19] + "@" + strings.TrimSpace(string(boot)), true
}

// ended is true for a zombie: it holds no port and no file. But the first thread
// may be a zombie while others still have everything open.
func ended(pid int, state string) bool {
	if state != "Z" && state != "X" {
		return false
	}
	threads, err := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/task")
	return err != nil || len(threads) <= 1
}

// Attributes put a child in a process group of its own, and bind its life to
// that of the thread which starts it.
func Attributes(group, bound bool) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: group}
	if bound {
		attr.Pdeathsig = syscall.SIGKILL
	}
	return attr
}
