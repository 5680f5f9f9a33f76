package main

import (
	"slices"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/notice"
)

// untold are the commands that release nothing and judge no release, of which nobody has to be told.
var untold = []string{"plan", "diagnose", "drill"}

// noticeSink tells people, as the config file says.
func noticeSink(o *options, getenv func(string) string) (*sink, error) {
	if len(o.notify) == 0 || slices.Contains(untold, o.command) || o.dryRun == "server" {
		return nil, nil
	}
	receivers, err := notice.Open(o.notify, getenv)
	if err != nil {
		return nil, err
	}
	n := notice.New(receivers, gate.Run{
		Command: o.command, Version: version(), Namespace: o.namespace(), Context: o.contextName(), Pipeline: o.pipeline(getenv),
	})
	return &sink{event: n.Event, finish: n.Finish}, nil
}
