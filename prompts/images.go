package prompts

// defaultImage is proposed where no image was named.
const defaultImage = "pytorch/pytorch:2.7.1-cuda12.8-cudnn9-runtime"

// images are well-known images, those most asked for first. Vast.ai picks the
// tag @vastai-automatic-tag to fit the machine's driver; only its own images
// have it.
func images() []string {
	return []string{
		defaultImage,
		"pytorch/pytorch:2.7.1-cuda12.8-cudnn9-devel",
		"vastai/pytorch:@vastai-automatic-tag",
		"vastai/base-image:@vastai-automatic-tag",
		"vastai/vllm:@vastai-automatic-tag",
		"vastai/comfy:@vastai-automatic-tag",
		"vastai/linux-desktop:@vastai-automatic-tag",
		"vllm/vllm-openai:latest",
		"vllm/vllm-openai:v0.10.2",
		"tensorflow/tensorflow:2.17.0-gpu-jupyter",
		"tensorflow/tensorflow:latest-gpu",
		"nvidia/cuda:12.8.1-devel-ubuntu22.04",
		"nvidia/cuda:12.8.1-cudnn-devel-ubuntu22.04",
		"ollama/ollama:latest",
		"lmsysorg/sglang:latest",
		"ghcr.io/huggingface/text-generation-inference:3.3.3",
		"ubuntu:22.04",
	}
}
