"""What users import: components, pipelines, futures, tasks."""
