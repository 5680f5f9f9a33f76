#!/bin/sh
# Stands in for the controller of Databases: it takes a moment for each, and has room for 100.
while sleep 1; do
  kubectl get databases -A -o jsonpath='{range .items[*]}{.metadata.namespace}|{.metadata.name}|{.metadata.generation}|{.status.observedGeneration}|{.spec.size}{"\n"}{end}' 2>/dev/null |
    while IFS='|' read -r namespace name generation seen size; do
      [ "$generation" = "$seen" ] && continue
      state=Up detail="serving $size GiB"
      if [ "$size" -gt 100 ]; then
        state=Broken detail="no room for $size GiB: 100 GiB are left"
      fi
      kubectl patch database "$name" -n "$namespace" --subresource=status --type=merge \
        -p "{\"status\":{\"observedGeneration\":$generation,\"state\":\"$state\",\"detail\":\"$detail\"}}"
    done
done
