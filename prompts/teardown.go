package prompts

import (
	"context"

	"vast-mcp/internal/view"
)

func (r *room) tearDown() prompt {
	return prompt{
		name: "tear_down", title: "Tear down", needs: "destroy_instance",
		doc:       "End instances that are no longer needed, and check that they cost nothing any more.",
		arguments: []argument{{name: "instance_id", doc: "the id of an instance, a positive number; leave it out to choose from all", check: isID}},
		facts:     r.overview, script: r.tearDownScript,
	}
}

func isID(value string) bool {
	_, ok := view.ParseInstanceID(value)
	return ok
}

func (r *room) tearDownScript(ctx context.Context, args arguments) script {
	task := "Help me end the instances on Vast.ai that I no longer need."
	if id := args["instance_id"]; id != "" {
		task = "Help me end instance " + id + " on Vast.ai."
	}
	return script{
		task: task,
		steps: []string{
			"Look at the facts below and call list_instances. Show me what there is, with what each costs per hour while it runs and while it is stopped.",
			"Ask me which to end, and how: stop_instance keeps the disk, which goes on costing money; destroy_instance erases the disk for good and ends all costs.",
			"Before you destroy one, ask whether I have saved what is on its disk.",
			"Call stop_instance or destroy_instance, only for what I named. " + view.Approval(r.InForce(ctx).Mode),
			"Call wait_for_instance until gone, or until stopped. Say that it is over only when it was seen to be.",
			"Call get_account, and tell me what is left and what it costs per hour.",
		},
	}
}
