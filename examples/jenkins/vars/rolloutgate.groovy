// A step for Jenkinsfiles: rolloutgate(filename: 'deploy/', timeout: '10m'). It belongs into the folder vars of a shared library.
//
// Its parameters are the flags of rolloutgate, in camelCase: undoTimeout is --undo-timeout; a list is a flag that is repeated.
// These four are its own:
//   credentialsId  ID of the kubeconfig, a credential of the kind "Secret file"; '' leaves KUBECONFIG as it is
//   command        run, resume, undo, watch or analyze
//   target         what the command is about: the id of a run, or deployment/web
//   reportDir      folder for the reports, in the workspace
def call(Map given = [:]) {
  Map own = [credentialsId: 'kubeconfig', command: 'run', target: '', reportDir: 'rolloutgate-report']
  Map all = own + given
  if (!(all.command in ['run', 'resume', 'undo', 'watch', 'analyze'])) {
    error "rolloutgate: there is no command ${all.command}"
  }
  List vars = ["GATE_COMMAND=${all.command}", "GATE_TARGET=${all.target ?: ''}", "ROLLOUTGATE_REPORT_DIR=${all.reportDir}"]
  for (name in all.keySet()) {
    if (!own.containsKey(name) && all[name] != null) {
      def value = all[name]
      vars << "ROLLOUTGATE_${flagName(name)}=${value instanceof List ? value.join('\n') : value}"
    }
  }
  withKubeconfig(all.credentialsId) {
    withEnv(vars) {
      boolean ended = false
      try {
        // exec: an aborted build signals every process, and the shell must not be gone before the gate has put the rollout
        // back. What is different from build to build comes by the environment, so no text of others is part of a script.
        sh 'exec rolloutgate "$GATE_COMMAND" ${GATE_TARGET:+"$GATE_TARGET"}'
        ended = true
      } finally {
        if (!ended) {
          // Jenkins kills what does not end in time, and memory can run out: what such a run left is put back here. A run
          // that came to its end is left as it is.
          sh script: 'exec rolloutgate undo --unfinished "$ROLLOUTGATE_REPORT_DIR"', returnStatus: true
        }
        publish(all.reportDir)
      }
    }
  }
}

// flagName is the name of a flag in the environment: UNDO_TIMEOUT for undoTimeout.
private String flagName(String name) {
  String text = ''
  for (letter in name.toList()) {
    text += letter == letter.toUpperCase() && letter != letter.toLowerCase() ? '_' + letter : letter.toUpperCase()
  }
  return text
}

private void withKubeconfig(String id, Closure body) {
  if (id) {
    withCredentials([file(credentialsId: id, variable: 'KUBECONFIG')], body)
  } else {
    body()
  }
}

// publish puts the reports where Jenkins shows them. A plugin that is not there is done without.
private void publish(String dir) {
  archiveArtifacts artifacts: "${dir}/**", allowEmptyArchive: true
  optional('JUnit') {
    // The step above has failed already when the rollout is bad.
    junit testResults: "${dir}/report.junit.xml", allowEmptyResults: true, skipMarkingBuildUnstable: true
  }
  if (fileExists("${dir}/report.html")) {
    optional('HTML Publisher') {
      publishHTML target: [reportName: 'Rollout', reportDir: dir, reportFiles: 'report.html', keepAll: true, alwaysLinkToLastBuild: true, allowMissing: true]
    }
  }
}

private void optional(String plugin, Closure body) {
  try {
    body()
  } catch (NoSuchMethodError missing) {
    echo "rolloutgate: the plugin ${plugin} is not installed; the reports are among the artifacts"
  }
}
