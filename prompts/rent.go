package prompts

import (
	"context"
	"fmt"

	"vast-mcp/internal/view"
)

// What rent_gpu proposes where it was told nothing.
const (
	proposedGPU  = "RTX 4090"
	proposedDisk = "64"
	proposedGPUs = "1"
)

func (r *room) rentGPU() prompt {
	return prompt{
		name: "rent_gpu", title: "Rent a GPU", needs: "create_instance",
		doc: "Rent a GPU: settles what is needed, looks at what already runs, finds offers, and rents one after approval.",
		arguments: []argument{
			{name: "purpose", doc: "what it is for, such as fine-tuning a 7B model"},
			{name: "gpu", doc: "GPU model, such as " + proposedGPU + ", which is proposed if left out"},
			{name: "num_gpus", doc: "how many GPUs; " + proposedGPUs + " is proposed if left out"},
			{name: "min_gpu_ram_gb", doc: "least memory of each GPU in GB"},
			{name: "image", doc: "docker image as repository:tag; PyTorch is proposed if left out"},
			{name: "template_hash", doc: "hash of a template, instead of an image"},
			{name: "disk_gb", doc: "disk in GB, fixed for life; " + proposedDisk + " is proposed if left out"},
			{name: "max_dollars_per_hour", doc: "most that it may cost per hour in US dollars, disk included"},
			{name: "region", doc: "country or continent, such as Sweden, US or Europe"},
			{name: "lease_hours", doc: "how many hours it may live; has a default"},
		},
		facts: r.overview, script: r.rentScript,
	}
}

func (r *room) rentScript(ctx context.Context, args arguments) script {
	return script{
		task:   "Help me rent a GPU on Vast.ai. This is what I want, and what is proposed where I said nothing:",
		wishes: r.wishes(args),
		steps: []string{
			"Look at the facts below. If an instance that I already have would do, tell me so and ask before you rent another.",
			"Ask me once, in a short message, to confirm or change what is proposed, and whether I need ports, environment variables or a start script. " +
				"If the purpose needs more memory, disk or GPUs than that, say so. Do not ask again for what I gave.",
			"search_offers with gpu_names, num_gpus and disk_gb, and with min_gpu_ram_gb, max_dollars_per_hour and regions where they are set. " +
				"Show me up to three offers with price per hour, region and reliability, and recommend one. If there are none, say which wish to loosen.",
			"If list_ssh_keys is empty, ask me for my public SSH key and use add_ssh_key: an instance gets the keys that are there when it is rented.",
			"create_instance with the offer_id that I choose, the image or template_hash, disk_gb and lease_hours. It costs money from then on. " +
				view.Approval(r.InForce(ctx).Mode) + " If the outcome is unknown, do not rent another: repeat the same call.",
			"wait_for_instance until it is ready. Then tell me its id, the SSH command, the price per hour, and when the lease ends and what happens then.",
			"Remind me that a stopped instance goes on costing its disk, and that destroy_instance ends all costs.",
		},
	}
}

// wishes are the fields of a rental, one line each.
func (r *room) wishes(args arguments) []string {
	image := defaultImage
	if args["template_hash"] != "" {
		image = ""
	}
	var all []string
	for _, w := range []struct{ name, proposed string }{
		{"purpose", ""},
		{"gpu", proposedGPU},
		{"num_gpus", proposedGPUs},
		{"min_gpu_ram_gb", ""},
		{"template_hash", ""},
		{"image", image},
		{"disk_gb", proposedDisk},
		{"max_dollars_per_hour", ""},
		{"region", ""},
		{"lease_hours", fmt.Sprintf("%g", r.Lease.Hours())},
	} {
		switch value := args[w.name]; {
		case value != "":
			all = append(all, w.name+": "+value)
		case w.proposed != "":
			all = append(all, w.name+": "+w.proposed+" (proposed)")
		}
	}
	return all
}
