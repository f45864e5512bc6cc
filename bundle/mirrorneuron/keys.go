package mirrorneuron

// The keys that manifests have, and why those without effect have none.

const (
	recovery  = "a step that was lost is run again, and finished steps never are"
	liveness  = "a worker is ended by timeout_seconds, not by missing signs of life"
	container = "workers run in the native sandbox"
	informs   = ""
	isRead    = ""
)

var manifestKeys = keyTable{
	"manifest_version": isRead, "graph_id": isRead, "job_name": isRead, "daemon": isRead,
	"nodes": isRead, "edges": isRead, "policies": isRead, "entrypoints": isRead, "initial_inputs": isRead,
	"description": informs, "name": informs, "id": informs, "version": informs,
	"metadata": "it is not given to workers",
	"reload":   "a bundle is read when it is run",
	"schedule": "a job starts when it is submitted",
	"triggers": "a job starts when it is submitted",
	"services": "services are not supported yet", "required_services": "services are not supported yet",
	"deployment":            "deployments are not supported yet",
	"requirements":          "write limits into a policy",
	"requiredContextEngine": "there is no context engine",
	"skill_dependencies":    "packages are not installed; put them into payloads/",
	"agent_dependencies":    "packages are not installed; put them into payloads/",
	"apiVersion":            isRead,
}

var nodeKeys = keyTable{
	"node_id": isRead, "agent_type": isRead, "type": isRead, "role": isRead, "config": isRead,
	"tool_bindings":     "tools are not bound to nodes",
	"retry_policy":      "use max_attempts and retry_backoff_ms in config",
	"checkpoint_policy": recovery,
	"spawn_policy":      "nodes are not started or stopped",
	"resources":         "write limits into a policy",
	"constraints":       "a job runs on one host",
	"policies":          "there are no policies for one node",
	"services":          "services are not supported yet", "requires_services": "services are not supported yet",
	"label": informs, "description": informs,
}

var edgeKeys = keyTable{
	"edge_id": isRead, "from_node": isRead, "to_node": isRead, "message_type": isRead,
	"routing_mode": isRead, "conditions": isRead,
	"label": informs, "description": informs,
}

var routerKeys = keyTable{"emit_type": isRead}

var aggregatorKeys = keyTable{
	"complete_on_message": isRead, "complete_after": isRead, "output_message_type": isRead,
	"complete_job": isRead, "complete_run": isRead, "terminal_sink": isRead,
}

var executorKeys = keyTable{
	"runner_module": isRead, "command": isRead, "workdir": isRead, "sandbox_upload_path": isRead,
	"upload_path": isRead, "upload_as": isRead, "upload_paths": isRead,
	"environment": isRead, "pass_env": isRead, "output_message_type": isRead,
	"max_attempts": isRead, "retry_backoff_ms": isRead, "timeout_seconds": isRead,
	"pool": isRead, "pool_slots": isRead,

	"uploads":                "the key is upload_paths",
	"complete_job":           "the job ends when it is quiet, or when the worker prints complete_run",
	"complete_run":           "the job ends when it is quiet, or when the worker prints complete_run",
	"terminal_sink":          "the job ends when it is quiet, or when the worker prints complete_run",
	"startup_delay_ms":       "workers start at once",
	"name_prefix":            "sandboxes are named by job, node and attempt",
	"content_type":           "bodies are JSON",
	"content_encoding":       "bodies are JSON",
	"max_output_bytes":       "the limit on output is that of the policy",
	"failure_message_type":   "a failure is not turned into a message",
	"lease_queue_timeout_ms": "workers wait for a slot as long as it takes",
	"lease_max_queue_length": "workers wait for a slot as long as it takes",
	"backpressure":           "messages wait in the store, without a bound that could drop them",
	"python_environment":     "packages are not installed; put them into payloads/",
	"execution_profile":      "there are no execution profiles",

	"beacon_enabled": liveness, "beacon_interval_ms": liveness, "beacon_timeout_ms": liveness,
	"beacon_missed_action": liveness, "agent_beacon_required": liveness, "agent_beacon_stdout_prefix": liveness,
	"agent_event_stdout_prefix": "events are read when the worker has ended",

	"safe_to_retry": recovery, "idempotent": recovery, "idempotency_key": recovery,
	"recovery_idempotency_key": recovery, "manual_review_on_recovery": recovery,
	"requires_approval":      "approvals are not supported yet",
	"unsafe":                 "every worker is treated as unsafe",
	"side_effects":           recovery,
	"workflow_complete_step": "a step ends with its worker",

	"reuse_shared_sandbox": container, "persistent_workspace": "each attempt has a work folder of its own",
	"cleanup_remote_dir": container, "shared_sandbox_prefix": container, "sandbox_cli": container, "ssh_bin": container,
	"gpu": "there is no access to GPUs", "gpus": "there is no access to GPUs",
	"from": container, "remote": container, "ssh_key": container,
	"policy":    "it is in another project's format; grant what the node needs on the command line",
	"providers": container, "tty": container, "no_auto_providers": container, "no_keep": container,
	"image": container, "docker_image": container, "docker_worker_image": container, "docker": container, "build": container,
	"network": "workers have no network", "reuse_shared_container": container, "shared_container": container,
	"build_context_upload_paths": container, "docker_bin": container, "docker_buildkit": container,
	"publish_ports": "workers have no network",
}
