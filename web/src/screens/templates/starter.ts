/** What a new template begins with: everything it can say, explained. */
export const starter = (namespace: string): string => `apiVersion: synod/v1
kind: Template
metadata:
  namespace: ${namespace}
  name: restart-service # lower case, digits and dashes; stands in addresses and commands
  labels: { team: ${namespace} } # for finding it
spec:
  title: Restart a service
  # For those who decide: what it does and what those affected will notice.
  description: Restarts one service, one server first. Customers may see a second of delay.

  # What is asked for, as JSON Schema 2020-12; the form is made of it.
  # \`writeOnly: true\` makes a text a secret, sealed to each node.
  inputs:
    type: object
    required: [service]
    properties:
      service: { type: string, enum: [web, worker], description: Which service }
      wait_s: { type: integer, minimum: 0, maximum: 60, default: 0, description: Seconds to wait before }
    additionalProperties: false

  # Where it may run at most. Whoever requests it chooses among these nodes.
  targets:
    selector: role=web
    max: 10

  # All rules must be met, by different people. No rule at all: it starts at once.
  approval:
    rules:
      - { count: 1, from: { role: approver } }
    requesterMayApprove: false
    expiresAfter: 1d

  # oneThenRest, allAtOnce, rolling (with size) or exponential.
  strategy: { type: oneThenRest, maxFailures: 0, pause: 5s }
  timeout: 5m # for one node, all steps together

  steps:
    - name: restart
      # {{ … }} is filled in on the node and quoted for the shell: put no quotes around it.
      run: |
        sleep {{ inputs.wait_s }}
        systemctl restart {{ inputs.service }}
    - name: check
      run: systemctl is-active {{ inputs.service }}
      retry: { until: "result.exit_code == 0", every: 1s, limit: 10 }
      expect: { stdout: { matches: "^active" } }
`;
