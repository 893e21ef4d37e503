//! The models that handlers may ask, by name.
//!
//! **Invariant:** a model that no operator has listed is never asked.

use boot::config::{Dialect, PricedModel, Provider};
use jobs::{Code, Problem};
use llm::{Model, Prices, Settings, SetupError};

/// What language models are for, in words.
pub(crate) const LANGUAGE: &str = "content.generate needs a language model (LLM_BASE_URL)";
/// What image models are for, in words.
pub(crate) const IMAGE: &str = "media.generate needs an image model (IMAGE_BASE_URL)";

/// The models of one provider, the one that is asked unless another is named first.
#[derive(Debug)]
pub(crate) struct Models {
    needed: &'static str,
    models: Vec<Model>,
}

impl Models {
    /// The models that the settings name; none without settings. `needed` says what they are for.
    ///
    /// # Errors
    /// [`SetupError`].
    pub(crate) fn new(
        needed: &'static str,
        provider: Option<&Provider>,
    ) -> Result<Self, SetupError> {
        let models = provider.map(|provider| {
            provider.models.iter().map(|model| Model::new(settings(provider, model))).collect()
        });
        Ok(Self { needed, models: models.transpose()?.unwrap_or_default() })
    }

    /// The model of this name, or the first one.
    ///
    /// # Errors
    /// What to tell the caller when there is none.
    pub(crate) fn pick(&self, name: Option<&str>) -> Result<&Model, Problem> {
        let Some(first) = self.models.first() else {
            let message = format!("{}, and this fleet has none.", self.needed);
            return Err(Problem::new(Code::NotConfigured, message));
        };
        let Some(name) = name else { return Ok(first) };
        self.models
            .iter()
            .find(|model| model.name() == name)
            .ok_or_else(|| jobs::kinds::unknown_model(name, self.models.iter().map(Model::name)))
    }
}

fn settings(provider: &Provider, model: &PricedModel) -> Settings {
    Settings {
        dialect: match provider.dialect {
            Dialect::OpenAi => llm::Dialect::OpenAi,
            Dialect::OpenAiOlder => llm::Dialect::OpenAiOlder,
            Dialect::Anthropic => llm::Dialect::Anthropic,
        },
        base_url: provider.base_url.clone(),
        key: provider.api_key.clone(),
        model: model.name.clone(),
        prices: Prices { input: model.input_price, output: model.output_price },
        silence: provider.silence,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_model_is_found_by_name_and_an_unknown_one_names_the_others() {
        let none = Models::new(LANGUAGE, None).expect("nothing to set up");
        assert_eq!(none.pick(None).expect_err("none").code, Code::NotConfigured);
        let model = |name: &str| PricedModel { name: name.into(), input_price: 1, output_price: 2 };
        let provider = Provider {
            dialect: Dialect::OpenAi,
            base_url: "http://127.0.0.1:1/v1".parse().expect("an address"),
            api_key: None,
            models: vec![model("small"), model("large")],
            silence: Duration::from_secs(1),
        };
        let two = Models::new(LANGUAGE, Some(&provider)).expect("they can be set up");
        assert_eq!(two.pick(None).expect("the first").name(), "small");
        assert_eq!(two.pick(Some("large")).expect("it is listed").name(), "large");
        let problem = two.pick(Some("huge")).expect_err("it is not listed");
        assert_eq!(problem.field.as_deref(), Some("args.model"));
        assert!(problem.message.contains("small, large"), "{problem}");
    }
}
