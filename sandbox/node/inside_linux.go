package node

import "syscall"

// ownNamespaces: own processes and own mounts, but the machine's network, so that everything on the machine reaches pods.
// The session of its own keeps an interrupt from the keyboard for the caller, who then stops the node in order.
func ownNamespaces() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS, Setsid: true}
}
