//! One resource after the other, in all regions.

use keepwatch_core::posture::Ask;

use super::cx::{Cx, Outcome};

impl<'s> Cx<'s> {
    /// Judges each of what a question lists, region by region. `arn` names it. Where a region's list is not known, that is
    /// reported for the region.
    pub(crate) fn each_of<A, T>(
        &mut self,
        ask: A,
        arn: impl Fn(&Cx<'s>, &T) -> String,
        mut judge: impl FnMut(&mut Cx<'s>, &'s T) -> Outcome,
    ) where
        A: Ask<Value = Vec<T>> + Copy + 's,
        T: 's,
    {
        self.each_region(|cx| {
            let region = cx.region();
            for item in cx.known(ask, region.as_str())? {
                let arn = arn(cx, item);
                cx.about(&region, &arn, |cx| judge(cx, item));
            }
            Ok(())
        });
    }
}
