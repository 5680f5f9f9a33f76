package record

// Scope says which objects a command is expected to change. What belongs to the workloads is in it by itself: the ConfigMaps
// and Secrets that their pods read, the Services that select these, their autoscalers.
type Scope struct {
	// Command is what was carried out, as it may be shown. Nobody carries it out again by this.
	Command []string `json:"command,omitempty"`
	// Workloads are named as KIND/NAME, and so are Also, which are more objects of any kind. Selector selects workloads, and
	// what usually goes with them, by labels. All of them are in one namespace.
	Workloads []string `json:"workloads,omitempty"`
	Also      []string `json:"also,omitempty"`
	Selector  string   `json:"selector,omitempty"`
	// Found says that the command has ended, and that what it has changed is among the writes of the run.
	Found bool `json:"found,omitempty"`
}
