//! The services whose bodies are BCS.

use super::*;
use crate::chain::services::{self, path};

fn bcs_answer<T: serde::Serialize>(message: &T) -> Answer {
    Answer::Messages(vec![to_bcs(message)])
}

#[tokio::test]
async fn the_faucet_and_the_admin_speak_bcs() {
    let coin = services::CoinSent { amount: 2_000_000_000, id: "0x1".into(), transfer_tx_digest: "1".into() };
    let gas = services::GasResponse { status: "Success".into(), coins_sent: vec![coin] };
    let advanced = services::AdvanceEpochResponse { epoch: 43 };
    let answers = [
        (path::REQUEST_GAS, bcs_answer(&gas)),
        (path::ADVANCE_EPOCH, bcs_answer(&advanced)),
        (path::SCORING_HEALTH, Answer::Messages(vec![vec![1, 2, 3]])),
    ];
    let (node, url) = FakeNode::start(answers).await;
    assert_eq!(request_faucet(&url, key().address()).await.expect("gas"), [2_000_000_000]);
    assert_eq!(advance_epoch(&url).await.expect("an epoch"), 43);
    assert!(scoring_health(&url).await.is_err(), "trailing bytes are no answer");
    let (_, body) = node.requests.lock().expect("not poisoned")[0].clone();
    let request: services::GasRequest = bcs::from_bytes(&body[5..]).expect("our own request");
    assert_eq!(request.recipient, key().address().to_string());
}

fn model() -> ActiveModelInfo {
    ActiveModelInfo {
        id: ObjectId([5; 32]),
        owner: Address([1; 32]),
        stake: 1,
        commission_bps: 0,
        url: "http://h/w.enc".into(),
        checksum: Digest([2; 32]),
        size: 9,
        decryption_key: [3; 32],
        embedding: vec![0.5, -0.25],
    }
}

#[tokio::test]
async fn a_score_is_asked_for_and_answered_within_the_targets_dimension() {
    let good = services::ScoreResponse {
        winner: 1,
        loss_score: vec![1.5f32.to_bits()],
        embedding: vec![0.5f32.to_bits(), 0.25f32.to_bits()],
        distance: vec![0.75f32.to_bits()],
    };
    let data = Manifest::new("http://h/x", Digest([1; 32]), 1).expect("a URL");
    let models = [ScoringModel::from(&model()), ScoringModel::from(&model())];
    let (node, url) = FakeNode::start([(path::SCORE, bcs_answer(&good))]).await;
    let service = ScoringClient::new(&url).expect("a URL");
    let found = service.score(&data, &models, &[1.0, 0.0], 0, TIMEOUT).await.expect("a score");
    assert_eq!(found, RemoteScore { winner: 1, loss: 1.5, embedding: vec![0.5, 0.25], distance: 0.75 });

    for target in [&[1.0][..], &[1.0, f32::NAN], &[]] {
        let refused = service.score(&data, &models, target, 0, TIMEOUT).await;
        assert!(matches!(refused, Err(ScoringError::NotSent(_))), "{refused:?}");
    }
    assert_eq!(node.requests.lock().expect("not poisoned").len(), 1, "harmful requests never leave");

    for bad in [
        services::ScoreResponse { winner: 2, ..good.clone() },
        services::ScoreResponse { embedding: vec![0], ..good.clone() },
        services::ScoreResponse { loss_score: vec![0, 0], ..good.clone() },
        services::ScoreResponse { distance: Vec::new(), ..good.clone() },
    ] {
        let (_, url) = FakeNode::start([(path::SCORE, bcs_answer(&bad))]).await;
        let service = ScoringClient::new(&url).expect("a URL");
        let answer = service.score(&data, &models, &[1.0, 0.0], 0, TIMEOUT).await;
        assert!(matches!(answer, Err(ScoringError::Malformed(_))), "{bad:?}");
    }
    let (_, url) = FakeNode::start([(path::SCORE, Answer::Messages(vec![vec![1, 2, 3]]))]).await;
    let answer = ScoringClient::new(&url).expect("a URL").score(&data, &models, &[1.0, 0.0], 0, TIMEOUT).await;
    assert!(matches!(answer, Err(ScoringError::Malformed(_))), "{answer:?}");
    let nan = vec![f32::NAN.to_bits()];
    for bad in [
        services::ScoreResponse { distance: nan.clone(), ..good.clone() },
        services::ScoreResponse { loss_score: nan.clone(), ..good.clone() },
        services::ScoreResponse { embedding: [nan.clone(), nan].concat(), ..good.clone() },
    ] {
        let (_, url) = FakeNode::start([(path::SCORE, bcs_answer(&bad))]).await;
        let service = ScoringClient::new(&url).expect("a URL");
        let answer = service.score(&data, &models, &[1.0, 0.0], 0, TIMEOUT).await;
        assert_eq!(answer, Err(ScoringError::NotFinite));
    }
}
