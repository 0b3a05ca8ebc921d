use super::*;
pub async fn start(_c: EngineConfig) -> Result<EngineHandle, EngineError> { loop {} }
