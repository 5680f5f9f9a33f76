package main

import "github.com/rolloutgate/rolloutgate/gate/record"

// jenkins shows colours only with a plugin.
func jenkins() ciSystem {
	return ciSystem{
		name:   "jenkins",
		detect: func(getenv func(string) string) bool { return getenv("JENKINS_URL") != "" },
		pipeline: func(getenv func(string) string) record.Pipeline {
			return record.Pipeline{URL: getenv("BUILD_URL"), Commit: getenv("GIT_COMMIT"), Actor: getenv("BUILD_USER_ID")}
		},
	}
}
