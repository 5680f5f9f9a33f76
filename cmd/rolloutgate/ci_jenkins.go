package main

// jenkins shows colours only with a plugin.
func jenkins() ciSystem {
	return ciSystem{
		name:   "jenkins",
		detect: func(getenv func(string) string) bool { return getenv("JENKINS_URL") != "" },
	}
}
